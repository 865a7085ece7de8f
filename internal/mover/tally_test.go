package mover

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestTheTallyTellsIncompleteSnapshots(t *testing.T) {
	t.Parallel()
	whole, cut := result.Snapshot{ID: "a"}, result.Snapshot{ID: "b", Incomplete: "canceled"}
	for want, snapshots := range map[string][]result.Snapshot{
		"0 snapshots": nil, "1 snapshot": {whole}, "2 snapshots, 1 incomplete": {whole, cut}, "1 snapshot, 1 incomplete": {cut},
	} {
		if got := tally(snapshots); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

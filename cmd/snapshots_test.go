package cmd

import (
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestTheListSaysWhatSpeaksAgainstASnapshot(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := writeSnapshots(&out, []result.Snapshot{
		{ID: "aaaa", Retention: []string{"latest-2", "daily-1"}},
		{ID: "bbbb", Retention: []string{"latest-1"}, Failed: 1200},
		{ID: "cccc", Incomplete: "canceled", Failed: 3},
	}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{"aaaa": "latest-2 daily-1 ", "bbbb": "latest-1 (1,200 missed)", "cccc": "incomplete: canceled"}
	for line := range strings.Lines(out.String()) {
		id, _, _ := strings.Cut(line, " ")
		if want := wants[id]; !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
		delete(wants, id)
	}
	if len(wants) > 0 {
		t.Errorf("no line for %v in\n%s", wants, out.String())
	}
}

// Nothing to list is not nothing there.
func TestTheListSaysWhatItHides(t *testing.T) {
	t.Parallel()
	for hidden, want := range map[int]string{
		0: "No snapshots.", 1: "No complete snapshots; --incomplete shows 1 incomplete one.", 3: "No complete snapshots; --incomplete shows 3 incomplete ones.",
	} {
		if got := noSnapshots(hidden); got != want {
			t.Errorf("%d: %q, want %q", hidden, got, want)
		}
	}
}

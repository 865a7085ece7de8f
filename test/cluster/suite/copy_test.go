package suite

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestEveryCopyMethodBacksUpAndLeavesNothing backs a populated volume up by each
// method, restores it with bare kopia and compares.
func TestEveryCopyMethodBacksUpAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		for _, class := range []string{"vk-immediate", "vk-wait"} {
			t.Run(method+"/"+class, func(t *testing.T) {
				t.Parallel()
				n := newSpace(t, shape{CopyMethod: method, Class: class, Privileged: true})
				before := n.inventory()
				r := n.backup(0, "--keep-job=0")
				if r.Outcome != result.Succeeded || r.Snapshot == nil || r.Snapshot.Proved == "" {
					t.Fatalf("%+v", r)
				}
				n.leftNothing(before)
				kopiatest.Compare(t, n.data, n.restored(r.Snapshot.ID))
			})
		}
	}
}

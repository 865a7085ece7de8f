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
	byEveryMethod(t, func(n *space) {
		before := n.atRest().inventory()
		r := n.backup(0, "--keep-job=0")
		if r.Outcome != result.Succeeded || r.Snapshot == nil || r.Snapshot.Proved == "" {
			n.t.Fatalf("%+v", r)
		}
		n.leftNothing(before)
		kopiatest.Compare(n.t, n.data, n.restored(r.Snapshot.ID))
	})
}

// byEveryMethod runs a test for each copy method with each binding mode, on a volume
// that only a privileged mover can read whole.
func byEveryMethod(t *testing.T, test func(*space)) {
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		for _, class := range []string{"vk-immediate", "vk-wait"} {
			t.Run(method+"/"+class, func(t *testing.T) {
				t.Parallel()
				test(newSpace(t, shape{CopyMethod: method, Class: class, Privileged: true}))
			})
		}
	}
}

package suite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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

// TestEveryCopyMethodWithTheRoleAlone backs a volume up whose class waits for its
// consumer, beside the application that uses it, in a namespace that enforces Pod
// Security "restricted". Nothing outside the namespace is known, not even that the
// class waits.
func TestEveryCopyMethodWithTheRoleAlone(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			n := newSpace(t, shape{CopyMethod: method, Class: "vk-wait"})
			n.restrictedPod("application", "data", "sleep 100000")
			n.untilRunning("application")
			before := n.atRest()
			uid, inventory := before.objects()["pods/application"].GetUID(), before.inventory()
			if diff := cmp.Diff(outside(), n.unknown()); diff != "" {
				t.Errorf("unknown to the caller (-want +got):\n%s", diff)
			}
			r := n.backup(0, "--keep-job=0")
			n.leftRunning("application", uid)
			n.leftNothing(inventory)
			n.listedAndRestored(r)
		})
	}
}

// TestPrivilegedMoversTakeALookAtTheNamespace: with the Role alone nobody knows that
// the namespace allows them, and what the mover may not read is missing; with the
// optional ClusterRole it is not.
func TestPrivilegedMoversTakeALookAtTheNamespace(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot"})
	n.must(os.Chmod(filepath.Join(n.data, "a.txt"), 0o400))
	_, err := shared.typed.CoreV1().Namespaces().Patch(t.Context(), n.name, types.MergePatchType, []byte(
		`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":null},"annotations":{"volsync.backube/privileged-movers":"true"}}}`), metav1.PatchOptions{})
	n.must(err)
	before := n.atRest().inventory()
	if r := n.backup(4, "--keep-job=0"); r.Outcome != result.Incomplete || r.Snapshot == nil || r.Snapshot.Errors == nil {
		t.Errorf("with the Role alone: %+v", r)
	}
	n.leftNothing(before)
	n.grantCluster(n.printedRoles().facts)
	r := n.backup(0, "--keep-job=0")
	n.leftNothing(before)
	n.listedAndRestored(r)
}

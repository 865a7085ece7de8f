package suite

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

// TestRetainingClassesLeaveNothing: what they would keep is refused to a caller who
// cannot have it removed, and is gone after the run of one who can.
func TestRetainingClassesLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Clone"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			class := retainingClasses(t)
			extra := "    storageClassName: " + class
			if method == "Snapshot" {
				extra += "\n    volumeSnapshotClassName: " + class
			}
			n := newSource(t, shape{CopyMethod: method, Kopia: extra})
			roles := n.printedRoles()
			n.grantCluster(roles.facts)
			before := n.atRest().inventory()
			if end := call(t, "backup", "-f", n.file); end.code != 5 || !strings.Contains(end.stderr, "volsync-kopia-retain") {
				t.Errorf("without the right it ended with %d\n%s", end.code, end.stderr)
			}
			n.leftNothing(before)
			n.grantCluster(roles.retain)
			if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
				t.Errorf("%+v", r)
			}
			n.leftNothing(before)
		})
	}
}

// retainingClasses makes a StorageClass and a VolumeSnapshotClass of one name that
// keep what they have made, for one test.
func retainingClasses(t *testing.T) string {
	t.Helper()
	name := "vk-retain-" + strings.ToLower(rand.Text()[:8])
	retain, immediate := corev1.PersistentVolumeReclaimRetain, storagev1.VolumeBindingImmediate
	_, err := shared.typed.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: node.DriverName, ReclaimPolicy: &retain, VolumeBindingMode: &immediate,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	snapshots := shared.dynamic.Resource(snapshotClasses())
	_, err = snapshots.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": map[string]any{"name": name},
		"driver": node.DriverName, "deletionPolicy": "Retain",
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(
			shared.typed.StorageV1().StorageClasses().Delete(contextOf(t), name, metav1.DeleteOptions{}),
			snapshots.Delete(contextOf(t), name, metav1.DeleteOptions{}),
		); err != nil {
			t.Error(err)
		}
	})
	return name
}

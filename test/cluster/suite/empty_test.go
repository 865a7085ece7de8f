package suite

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestAnEmptyVolumeIsNotSkippedForWantOfAHistory: what the source held is in the
// repository, too.
func TestAnEmptyVolumeIsNotSkippedForWantOfAHistory(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct"})
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	n.emptied()
	history, _ := n.kept("app")
	n.must(shared.typed.CoreV1().ConfigMaps(n.name).Delete(t.Context(), history, metav1.DeleteOptions{}))
	if r := n.backup(1, "--keep-job=0"); r.Reason != "SourceEmpty" || r.Snapshot != nil {
		t.Errorf("without the history: %+v", r)
	}
	n.sound()
}

// TestAVolumeThatIsEmptyFromTheStartIsSkipped, and no repository is made for it.
func TestAVolumeThatIsEmptyFromTheStartIsSkipped(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct"})
	n.emptied()
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Skipped || r.Reason != "SourceEmpty" {
		t.Errorf("%+v", r)
	}
	if files := kopiatest.Entries(t, n.directoryOf("repo")); len(files) > 0 {
		t.Errorf("the repository's volume has files: %v", files)
	}
}

// emptied removes all that the data volume holds.
func (n *space) emptied() {
	n.t.Helper()
	for name := range kopiatest.Entries(n.t, n.data) {
		n.must(os.RemoveAll(filepath.Join(n.data, name)))
	}
}

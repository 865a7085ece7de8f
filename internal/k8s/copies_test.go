package k8s

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// copyOfRun puts a copy's VolumeSnapshot into the cluster.
func (w *world) copyOfRun(run string) *unstructured.Unstructured {
	w.t.Helper()
	o := objectOfKind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", testNamespace, "copy-"+run, nil)
	o.SetLabels(map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: plan.RoleCopy, plan.LabelRun: run})
	o.SetFinalizers([]string{"example.com/slow-storage"})
	made, err := w.dynamic.Resource(resources()["VolumeSnapshot"]).Namespace(testNamespace).Create(w.t.Context(), o, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// TestACopyWhoseJobIsGoneIsFound: something has refused its deletion when its Job
// went. The copy of a run that has a Job is that run's.
func TestACopyWhoseJobIsGoneIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)))
	w.copyOfRun(testRun)
	orphan := w.copyOfRun("long-gone")
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Copies) != 1 || remains.Copies[0].GetName() != orphan.GetName() {
		t.Fatalf("%v, %v", remains.Copies, err)
	}
	if err := w.cluster.RemoveCopies(t.Context(), remains.Copies); err != nil {
		t.Fatal(err)
	}
	if remains, err = w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Copies) > 0 {
		t.Errorf("still %v, %v", remains.Copies, err)
	}
}

// TestARemovalThatDoesNotEndSaysWhatHoldsIt, after as long as it may take.
func TestARemovalThatDoesNotEndSaysWhatHoldsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stuck := w.copyOfRun("stuck")
	w.dynamic.PrependReactor("delete", "volumesnapshots", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	w.cluster.AllowRemoval(10 * time.Millisecond)
	err := w.cluster.RemoveCopies(t.Context(), []*unstructured.Unstructured{stuck})
	if fault.KindOf(err) != fault.Leftover {
		t.Fatalf("%v", err)
	}
	var report strings.Builder
	fault.Report(&report, err)
	for _, says := range []string{"copy-stuck", "waited 10ms", "example.com/slow-storage", "cleanup -n " + testNamespace} {
		if !strings.Contains(report.String(), says) {
			t.Errorf("does not say %q:\n%s", says, report.String())
		}
	}
}

package k8s

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// triggered is a claim whose copy trigger has the value.
func triggered(value string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: "data", Namespace: testNamespace, Annotations: map[string]string{plan.AnnotationCopyTrigger: value},
	}}
}

// TestTheTriggersValueIsReadThoughTheServerRestarts: a run that did not know it would
// tell the application that another value was served.
func TestTheTriggersValueIsReadThoughTheServerRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, triggered("v1"))
		asked := 0
		w.typed.PrependReactor("get", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
			asked++
			return asked == 1, nil, errDown
		})
		x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource}, Outcome{}, deaf{}, time.Now, func(error) {})
		defer x.Close()
		step := plan.Step{Trigger: &plan.Trigger{Claim: "data", State: plan.TriggerInProgress}}
		if err := x.copyTrigger(t.Context(), step); err != nil || x.triggerValue != "v1" {
			t.Errorf("%q, %v", x.triggerValue, err)
		}
	})
}

// TestATriggerIsNotAskedForAllTheTime: it may take an hour to come.
func TestATriggerIsNotAskedForAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, triggered(""))
		x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource}, Outcome{}, deaf{}, time.Now, func(error) {})
		defer x.Close()
		began := time.Now()
		time.AfterFunc(time.Minute, func() {
			if err := w.typed.Tracker().Update(corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), triggered("v2"), testNamespace); err != nil {
				t.Error(err)
			}
		})
		step := plan.Step{
			Trigger: &plan.Trigger{Claim: "data", State: plan.TriggerInProgress},
			Waits:   []plan.Wait{{For: plan.UntilTriggered, Timeout: result.Duration(time.Hour)}},
		}
		if err := x.copyTrigger(t.Context(), step); err != nil || x.triggerValue != "v2" {
			t.Errorf("%q, %v", x.triggerValue, err)
		}
		if took, asked := time.Since(began), len(w.typed.Actions()); took > 2*time.Minute || asked > 20 {
			t.Errorf("asked %d times in %s", asked, took)
		}
	})
}

package k8s

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// startingTarget is a run whose mover was let go, and whose pod becomes as told
// when the Job is suspended.
func startingTarget(t *testing.T, suspended func(*Target)) (*Target, *fake.Clientset) {
	t.Helper()
	typed := fake.NewClientset(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: testJob, Namespace: testNamespace}})
	p := plan.Plan{RunID: "x7k2q", Object: result.ObjectRef{Namespace: testNamespace}, Task: &result.Task{RunID: "x7k2q"}}
	x := NewTarget(&Cluster{typed: typed}, p, Outcome{}, &heard{}, time.Now, func(error) {})
	t.Cleanup(x.Close)
	x.keepObject(1, objectOfKind("batch/v1", "Job", testNamespace, testJob, nil))
	typed.PrependReactor("patch", "jobs", func(a ktesting.Action) (bool, runtime.Object, error) {
		if strings.Contains(string(a.(ktesting.PatchAction).GetPatch()), `"suspend":true`) {
			suspended(x)
		}
		return false, nil, nil
	})
	return x, typed
}

// moverIn is the mover's pod with its container in this state.
func moverIn(state corev1.ContainerState, deleted bool) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: testJob + "-abcde", Namespace: testNamespace}}
	p.Spec.NodeName = "node-1"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: state}}
	if deleted {
		now := metav1.Now()
		p.DeletionTimestamp = &now
	}
	return p
}

// A start that cannot succeed is stopped before it is judged: a mover that begins
// at that very moment is heard, and not removed unheard.
func TestAFailedStartIsStoppedFirst(t *testing.T) {
	t.Parallel()
	said, err := json.Marshal(result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, RunID: "x7k2q", Outcome: result.Cancelled, ExitCode: 143, Message: "stopped",
	})
	if err != nil {
		t.Fatal(err)
	}
	pulling := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: metav1.Now(), ExitCode: 143, Message: string(said)}}
	cases := map[string]struct {
		suspended func(*testing.T, *Target)
		heard     bool
	}{
		"it begins at that moment": {func(t *testing.T, x *Target) { seesPod(t, x, moverIn(ended, true), true) }, true},
		"it goes":                  {func(t *testing.T, x *Target) { seesPod(t, x, moverIn(pulling, true), true) }, false},
	}
	why := fault.New(fault.TimedOut, "it was not started within 5m")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, typed := startingTarget(t, func(x *Target) { c.suspended(t, x) })
			seesPod(t, x, moverIn(pulling, false), false)
			r, err := x.startFailed(t.Context(), plan.Step{ID: 2, Kind: plan.StepUnsuspend, Targets: []int{1}}, why)
			if job, err := typed.BatchV1().Jobs(testNamespace).Get(t.Context(), testJob, metav1.GetOptions{}); err != nil || !suspended(job) {
				t.Errorf("the Job was not suspended: %v", err)
			}
			if c.heard {
				if err != nil || r == nil || r.Outcome != result.TimedOut || !strings.Contains(r.Message, "not started within 5m: stopped") {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			if r != nil || !errors.Is(err, why) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

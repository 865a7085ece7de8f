package k8s

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The question has used up its time and that of its step: its Job is removed all
// the same, and even if the API server needs a moment.
func TestAQuestionThatIsNotAnsweredIsRemoved(t *testing.T) {
	t.Parallel()
	client := objectsOf()
	refused := false
	client.PrependReactor("delete", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
		first := !refused
		refused = true
		return first, nil, errDown
	})
	x := NewTarget(&Cluster{dynamic: client}, plan.Plan{RunID: "x7k2q", Object: result.ObjectRef{Namespace: testNamespace}}, Outcome{}, &heard{}, time.Now, func(error) {})
	defer x.Close()
	job := objectOfKind("batch/v1", "Job", testNamespace, "vk-ask", map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{plan.AnnotationTask: `{"apiVersion":"` + result.APIVersion + `","kind":"Task","operation":"list","runID":"x7k2q"}`},
	}}}})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("time is up"))
	defer cancel()
	mover := &result.Result{RunID: "x7k2q", Outcome: result.Unknown, Message: "nothing was left"}
	step := plan.Step{ID: 7, Kind: plan.StepAsk, Object: plan.Template(job.Object), Waits: []plan.Wait{{For: plan.UntilEnded, Timeout: result.Duration(time.Minute)}}}
	if err := x.ask(ctx, step, mover); err != nil {
		t.Errorf("%v", err)
	}
	if !strings.Contains(mover.Message, "the repository could not be asked: time is up") {
		t.Errorf("%s", mover.Message)
	}
	if _, err := client.Resource(resources()["Job"]).Namespace(testNamespace).Get(t.Context(), "vk-ask", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("its Job: %v", err)
	}
}

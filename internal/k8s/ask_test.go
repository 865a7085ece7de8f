package k8s

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// TestAQuestionThatWasMadeWithoutAnAnswerIsRemoved: nothing else would before its run's
// Job goes.
func TestAQuestionThatWasMadeWithoutAnAnswerIsRemoved(t *testing.T) {
	t.Parallel()
	for run, gone := range map[string]bool{testRun: true, "another": false} {
		w := newWorld(t)
		job := moverJob(startedAgo(0))
		job.Name, job.Labels = "vk-ask", labelsOf(plan.RoleAsk)
		w.dynamic.PrependReactor("create", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
			made := job.DeepCopy()
			made.Labels[plan.LabelRun] = run
			if err := w.dynamic.Tracker().Create(resources()["Job"], untype(t, made), testNamespace); err != nil {
				t.Error(err)
			}
			return true, nil, errors.New("no route to host")
		})
		x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource}, Outcome{}, &heard{}, time.Now, func(error) {})
		mover := &result.Result{RunID: testRun, Outcome: result.Unknown, Message: "nothing was left"}
		step := plan.Step{ID: 7, Kind: plan.StepAsk, Object: plan.Template(untype(t, job).Object), Waits: []plan.Wait{{For: plan.UntilEnded, Timeout: result.Duration(time.Minute)}}}
		if err := x.ask(t.Context(), step, mover); err != nil || !strings.Contains(mover.Message, "could not be asked: ") {
			t.Errorf("%v; %s", err, mover.Message)
		}
		x.Close()
		_, err := w.dynamic.Resource(resources()["Job"]).Namespace(testNamespace).Get(t.Context(), "vk-ask", metav1.GetOptions{})
		if apierrors.IsNotFound(err) != gone {
			t.Errorf("made by run %s: %v", run, err)
		}
	}
}

// TestAQuestionThatOutlastedItsRunIsCleanedUp: its command could not remove it, and
// has collected the run.
func TestAQuestionThatOutlastedItsRunIsCleanedUp(t *testing.T) {
	t.Parallel()
	ask := moverJob(startedAgo(time.Minute))
	ask.Name, ask.UID, ask.Labels = "vk-ask-app", "ask", labelsOf(plan.RoleAsk)
	w := newWorld(t, moverJob(collected), moverPod(ended(good())), ask)
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Runs) != 1 || !remains.Runs[0].AsksYet() || len(remains.Probes) > 0 {
		t.Fatalf("%+v, %v", remains, err)
	}
	if err := w.cluster.Bury(t.Context(), remains.Runs[0], time.Now, t.Logf); err != nil {
		t.Fatal(err)
	}
	remains, err = w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Runs) > 0 || w.run().State != RunCollected {
		t.Errorf("still %+v, %v", remains, err)
	}
}

// TestAListThatDidNotArriveIsNoAnswer: the log could not be read, and the last words
// have no room for a list.
func TestAListThatDidNotArriveIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource}, Outcome{}, &heard{}, time.Now, func(error) {})
	defer x.Close()
	job := moverJob(startedAgo(0))
	job.Name, job.Labels = "vk-ask", labelsOf(plan.RoleAsk)
	x.view.note("Pod", untype(t, moverPod(ended(good()), func(p *corev1.Pod) {
		p.Labels = labelsOf(plan.RoleAsk)
		p.Status.ContainerStatuses[0].State.Terminated.Message = `{"apiVersion":"` + result.APIVersion + `","kind":"Result","operation":"list","runID":"` + testRun + `","outcome":"Succeeded","exitCode":0}`
	})), false)
	mover := &result.Result{RunID: testRun, Outcome: result.Unknown, Message: "nothing was left"}
	step := plan.Step{ID: 7, Kind: plan.StepAsk, Object: plan.Template(untype(t, job).Object), Waits: []plan.Wait{{For: plan.UntilEnded, Timeout: result.Duration(time.Minute)}}}
	if err := x.ask(t.Context(), step, mover); err != nil {
		t.Errorf("%v", err)
	}
	if !strings.HasSuffix(mover.Message, "the repository could not be asked: its list did not arrive") {
		t.Errorf("%s", mover.Message)
	}
}

package k8s

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// deadRun is a run whose command has died with the after hook undone.
func (a *app) deadRun(state RunState) Run {
	a.died()
	job := &unstructured.Unstructured{}
	job.SetAPIVersion("batch/v1")
	job.SetKind("Job")
	job.SetNamespace(testNamespace)
	job.SetName(testJob)
	a.cluster.dynamic = objectsOf(job)
	return Run{
		ID: "20261122-2105-x7k2q", State: state, job: a.job(),
		Object: result.ObjectRef{Kind: "ReplicationSource", Namespace: testNamespace, Name: "app"},
	}
}

// A run that never started goes once its hook was run, and not before.
func TestARunThatNeverStartedIsBuriedAfterItsHook(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("thaw", "", 0)
	r := a.deadRun(RunPrepared)
	jobs, err := a.cluster.objects("Job", testNamespace)
	if err != nil {
		t.Fatal(err)
	}
	a.refuse = http.StatusForbidden
	if _, err := a.cluster.bury(t.Context(), r, nil, time.Now, t.Logf); fault.CodeOf(err) != 8 || !strings.Contains(err.Error(), "still due") {
		t.Errorf("%v", err)
	}
	if _, err := jobs.Get(t.Context(), testJob, metav1.GetOptions{}); err != nil {
		t.Errorf("the Job that says what is due: %v", err)
	}
	a.refuse = 0
	if _, err := a.cluster.bury(t.Context(), r, nil, time.Now, t.Logf); err != nil || len(a.ran) != 1 {
		t.Errorf("%v; ran %v", err, a.ran)
	}
	if _, err := jobs.Get(t.Context(), testJob, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Job: %v", err)
	}
}

// A run whose mover has ended is collected after its hook, of which its Result
// tells.
func TestAFinishedRunIsCollectedAfterItsHook(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("thaw", "", 0)
	r := a.deadRun(RunFinished)
	r.job.Annotations[plan.AnnotationKeep] = "3600"
	settle := func() (result.Result, error) {
		res := result.Result{
			APIVersion: result.APIVersion, Kind: result.KindResult, RunID: r.ID, Object: r.Object, Outcome: result.Succeeded,
		}
		_, err := a.cluster.settle(t.Context(), r, &res, time.Now, t.Logf)
		return res, err
	}
	a.refuse = http.StatusForbidden
	if res, err := settle(); fault.CodeOf(err) != 8 || res.Outcome != result.SucceededWithWarnings || a.job().Annotations[plan.AnnotationCollected] != "" {
		t.Errorf("%s, %v; the Job says %v", res.Outcome, err, a.job().Annotations)
	}
	a.refuse = 0
	res, err := settle()
	if err != nil || res.Outcome != result.SucceededWithWarnings || a.state() != plan.ExecDone {
		t.Errorf("%+v, %v; the Job says %s", res, err, a.state())
	}
	if said := a.job().Annotations[plan.AnnotationResult]; a.job().Annotations[plan.AnnotationCollected] == "" || !strings.Contains(said, plan.CodeHookFailed) {
		t.Errorf("the Job says %v", a.job().Annotations)
	}
}

// A snapshot that its storage still uploads holds its moment: the application
// need not wait for the rest.
func TestASnapshotIsTakenBeforeItIsReady(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks())
	target := a.target(wikiHooks(), &heard{})
	seen := func(status map[string]any) (taken, ready bool) {
		o := &unstructured.Unstructured{Object: map[string]any{"status": status}}
		o.SetName("copy")
		target.view.note("VolumeSnapshot", o, false)
		one, err := target.takenState("copy")
		if err != nil {
			t.Fatal(err)
		}
		two, err := target.snapshotState("copy")
		if err != nil {
			t.Fatal(err)
		}
		return one.done, two.done
	}
	if taken, ready := seen(map[string]any{}); taken || ready {
		t.Errorf("not begun: taken %v, ready %v", taken, ready)
	}
	if taken, ready := seen(map[string]any{"creationTime": "2026-11-22T21:05:00Z", "readyToUse": false}); !taken || ready {
		t.Errorf("being uploaded: taken %v, ready %v", taken, ready)
	}
	if taken, ready := seen(map[string]any{"readyToUse": true}); !taken || !ready {
		t.Errorf("ready: taken %v, ready %v", taken, ready)
	}
	if got := budgetFlag(plan.UntilTaken); got != "--ready-timeout" {
		t.Errorf("the flag of its limit is %s", got)
	}
}

// TestADetachedCommandHoldsTheLeaseUntilItIsDone: the clone of a class that binds late is
// made when the mover runs, whose end does not wait for the after hook.
func TestADetachedCommandHoldsTheLeaseUntilItIsDone(t *testing.T) {
	t.Parallel()
	hooks := wikiHooks()
	hooked := func(j *batchv1.Job) {
		j.Annotations[spec.AnnotationExecIn], j.Annotations[spec.AnnotationExecAfter] = hooks.In, hooks.After
		j.Annotations[spec.AnnotationExecTimeout] = hooks.Timeout
	}
	w := newWorld(t, moverJob(hooked), moverPod(ended(good())), deployment(1), pod("wiki-a"))
	a := newApp(t, hooks)
	w.cluster.config = a.cluster.config
	a.cluster = w.cluster
	a.has("freeze", "", 0)
	var once sync.Once
	a.commands["thaw"] = func() (string, int) {
		once.Do(func() { // a collector looks on meanwhile
			remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
			if err != nil || len(remains.Runs) > 0 {
				t.Errorf("a living run counts as dead: %+v, %v", remains.Runs, err)
			}
			for _, r := range remains.Runs {
				_ = w.cluster.Bury(t.Context(), r, time.Now, t.Logf)
			}
		})
		return "", 0
	}
	before, after := step(hooks, plan.ExecBefore), step(hooks, plan.ExecAfter)
	p := plan.Plan{RunID: testRun, Object: testSource, Steps: []plan.Step{
		before, {ID: 3, Kind: plan.StepUnsuspend, Targets: []int{1}}, after, {ID: 5, Kind: plan.StepDetach, Targets: []int{4}},
	}}
	x := NewTarget(w.cluster, p, Outcome{}, deaf{}, time.Now, func(err error) { t.Errorf("the Lease is lost: %v", err) })
	defer x.Close()
	x.keepObject(1, untype(t, moverJob(hooked)))
	if err := x.lease.take(t.Context(), wantedLease(testRun), t.Logf); err != nil {
		t.Fatal(err)
	}
	e := run.Execute(t.Context(), p, x, deaf{}, time.Now)
	thawed := slices.DeleteFunc(slices.Clone(a.ran), func(text string) bool { return !strings.Contains(text, "thaw") })
	if !e.Started || len(e.Left) > 0 || len(thawed) != 1 || a.state() != plan.ExecDone {
		t.Errorf("%+v; ran %q; the Job says %s", e, a.ran, a.state())
	}
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if held := w.held(); err != nil || len(remains.Runs) != 1 || held == nil || durationOf(held) != time.Second {
		t.Errorf("it is not left to the next one that looks: %+v, %v", remains, err)
	}
}

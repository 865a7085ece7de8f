package k8s

import (
	"errors"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// complete ends the Job as its controller does.
func complete(j *batchv1.Job) {
	j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
}

// readOnly refuses every write of a ConfigMap until it is told to stop.
func (w *world) readOnly() (writable func()) {
	refuses := true
	for _, verb := range []string{"create", "patch"} {
		w.typed.PrependReactor(verb, "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
			return refuses, nil, errors.New("read only")
		})
	}
	return func() { refuses = false }
}

// uncollected fails the test unless the run's Job stays, with this Result and not marked as collected.
func (w *world) uncollected(name string, want result.Outcome) {
	w.t.Helper()
	r := w.run()
	if !r.kept || r.Result.Outcome != want || r.State == RunCollected || r.job.Spec.TTLSecondsAfterFinished != nil {
		w.t.Errorf("%s: %s, Result kept %v: %+v, stays %v", name, r.State, r.kept, r.Result, r.job.Spec.TTLSecondsAfterFinished)
	}
}

// target is the Target of the test's run, with this plan.
func (w *world) target(p plan.Plan) *Target {
	w.t.Helper()
	p.RunID, p.Object, p.Task = testRun, testSource, &result.Task{RunID: testRun, Operation: result.OperationBackup, Object: testSource}
	x := NewTarget(w.cluster, p, Outcome{}, deaf{}, time.Now, func(error) {})
	w.t.Cleanup(x.Close)
	return x
}

// TestAnOutcomeThatTheCommandCannotWriteIsKept on its Job, which stays although it was
// to go, and says so then; whoever looks next writes it.
func TestAnOutcomeThatTheCommandCannotWriteIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep int32
		left string
	}{"--keep-job=1h": {3600, ""}, "--keep-job=0": {0, "Job prod/" + testJob}} {
		job := moverJob(startedAgo(time.Minute), complete, note(plan.AnnotationKeep, "3600"))
		w := newWorld(t, job, moverPod(ended(good())))
		writable := w.readOnly()
		x := w.target(plan.Plan{})
		x.keepObject(1, untype(t, job))
		x.tellStart(t.Context(), plan.Step{Object: untype(t, historyOf(testSource)).Object, Status: &plan.Status{}})
		mover := good()
		mover.APIVersion, mover.Kind, mover.RunID, mover.Object = result.APIVersion, result.KindResult, testRun, testSource
		var left []error
		for _, step := range []plan.Step{
			{Kind: plan.StepStatus, Object: untype(t, historyOf(testSource)).Object, Status: &plan.Status{}}, {Kind: plan.StepDelete}, {Kind: plan.StepKeep, Targets: []int{1}, KeepSeconds: &c.keep},
		} {
			if _, err := x.Do(t.Context(), step, &mover); err != nil {
				left = append(left, err)
			}
		}
		if len(left) == 0 || fault.CodeOf(left[0]) != 8 || (len(left) == 2) != (c.left != "") || !strings.Contains(left[len(left)-1].Error(), c.left) {
			t.Errorf("%s: left %q", name, left)
		}
		w.uncollected(name, result.Succeeded)
		writable()
		if err := w.cluster.typed.CoreV1().Pods(testNamespace).Delete(t.Context(), testJob+"-abcde", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := w.outcomes(); len(got) != 1 || got[0] != result.Succeeded || w.run().State != RunCollected {
			t.Errorf("%s: outcomes %v, %s", name, got, w.run().State)
		}
	}
}

// TestAStartThatFailedAndCannotBeWrittenIsKept: others were told of it.
func TestAStartThatFailedAndCannotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	job := moverJob(toldToStop)
	w := newWorld(t, job)
	x := w.target(plan.Plan{})
	x.keepObject(1, untype(t, job))
	x.tellStart(t.Context(), plan.Step{Object: untype(t, historyOf(testSource)).Object, Status: &plan.Status{}})
	writable := w.readOnly()
	late := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, RunID: testRun, Object: testSource,
		Outcome: result.TimedOut, ExitCode: 6, Message: "it was not started within 5m",
	}
	if err := x.Record(t.Context(), late); fault.CodeOf(err) != 8 {
		t.Errorf("%v", err)
	}
	x.suspended = true
	if err := x.Undo(t.Context(), plan.Cleanup{Step: 1, Action: plan.CleanupDeleteUnstarted}); fault.CodeOf(err) != 8 || !strings.Contains(err.Error(), testJob) {
		t.Errorf("it is not said that the Job stays: %v", err)
	}
	w.uncollected("a start that failed", result.TimedOut)
	writable()
	if got := w.outcomes(); len(got) != 1 || got[0] != result.TimedOut {
		t.Errorf("outcomes %v", got)
	}
}

// TestARunThatFailsBeforeItsStartIsRemembered, and one that was refused or cancelled
// then is not.
func TestARunThatFailsBeforeItsStartIsRemembered(t *testing.T) {
	t.Parallel()
	step := plan.Step{Kind: plan.StepUnsuspend, Targets: []int{1}, Object: untype(t, historyOf(testSource)).Object, Status: &plan.Status{}}
	for outcome, want := range map[result.Outcome]int{
		result.TimedOut: 1, result.Failed: 1, result.Refused: 0, result.Cancelled: 0,
	} {
		w := newWorld(t, moverJob())
		x := w.target(plan.Plan{Steps: []plan.Step{step}})
		r := result.Result{APIVersion: result.APIVersion, Kind: result.KindResult, RunID: testRun, Object: testSource, Outcome: outcome, ExitCode: 6}
		if err := x.Record(t.Context(), r); err != nil || len(w.outcomes()) != 0 {
			t.Errorf("%s before there is a Job: %v, %v", outcome, err, w.outcomes())
		}
		x.keepObject(1, untype(t, moverJob()))
		if err := x.Record(t.Context(), r); err != nil || len(w.outcomes()) != want || len(w.events()) != want {
			t.Errorf("%s: %v, %v, %d Events", outcome, err, w.outcomes(), len(w.events()))
		}
	}
}

// TestTheLaterSuccessCounts of those that the object and its history know.
func TestTheLaterSuccessCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeSource()
	synced := good()
	synced.Object, synced.EndTime = testSource, time.Date(2026, 11, 22, 21, 5, 0, 0, time.UTC)
	if _, err := (writer{cluster: w.cluster, object: testSource}).write(t.Context(), historyOf(testSource), status.Run{Result: synced}); err != nil {
		t.Fatal(err)
	}
	found := map[string]*Standing{key(testSource): {Object: testSource, InCluster: true}}
	known, err := w.cluster.records(t.Context(), testNamespace)
	if err == nil {
		err = known.read(found)
	}
	s := found[key(testSource)]
	if last := s.Status.LastSyncTime; err != nil || last == nil || !last.Time.Equal(synced.EndTime) || s.Snapshot == nil || s.Snapshot.ID != "k1" {
		t.Errorf("%+v, %v", s, err)
	}
}

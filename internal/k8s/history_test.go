package k8s

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// startOf is what is noted when the test's run starts.
func startOf(id string) result.Result {
	return run.Uncollected(&result.Task{RunID: id, Operation: result.OperationBackup, Object: testSource}, time.Date(2026, 11, 22, 21, 5, 0, 0, time.UTC))
}

// outcomes are what the source's runs came to, by its standing.
func (w *world) outcomes() []result.Outcome {
	w.t.Helper()
	standings, err := w.cluster.Standings(w.t.Context(), testNamespace, time.Now, w.t.Logf)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []result.Outcome
	for _, s := range standings {
		for _, r := range s.Results {
			list = append(list, r.Outcome)
		}
	}
	return list
}

// TestARunThatExpiredUncollectedIsUnknown: of a run whose Job is gone only its start
// is known, and a run whose Job is there is not over.
func TestARunThatExpiredUncollectedIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)), moverPod(running))
	if err := (&writer{cluster: w.cluster, object: testSource}).begin(t.Context(), startOf(testRun)); err != nil {
		t.Fatal(err)
	}
	if got := w.outcomes(); len(got) != 0 {
		t.Errorf("while it runs: %v", got)
	}
	if err := w.cluster.typed.BatchV1().Jobs(testNamespace).Delete(t.Context(), testJob, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := w.outcomes(); len(got) != 1 || got[0] != result.Unknown {
		t.Errorf("when its Job is gone: %v", got)
	}
	next := &writer{cluster: w.cluster, object: testSource}
	if err := next.begin(t.Context(), startOf("next")); err != nil {
		t.Fatal(err)
	}
	if _, err := next.write(t.Context(), historyOf(testSource), status.Run{Result: result.Result{RunID: "next", Object: testSource, Outcome: result.Succeeded}}); err != nil {
		t.Fatal(err)
	}
	if got := w.outcomes(); len(got) != 2 || got[0] != result.Unknown || got[1] != result.Succeeded {
		t.Errorf("after the next run: %v", got)
	}
}

// TestWhatIsKnownLaterReplacesUncollected: its Job was there after all.
func TestWhatIsKnownLaterReplacesUncollected(t *testing.T) {
	t.Parallel()
	m := apply(t, &corev1.ConfigMap{Data: map[string]string{}}, status.Run{Result: startOf(testRun)})
	m = apply(t, m, status.Run{Result: result.Result{RunID: testRun, Outcome: result.Succeeded}})
	if h, err := decodeHistory(m); err != nil || len(h.Results) != 1 || h.Results[0].Outcome != result.Succeeded {
		t.Errorf("%+v, %v", h, err)
	}
}

// makeSource puts the test's ReplicationSource into the cluster.
func (w *world) makeSource() {
	w.t.Helper()
	source := objectOfKind(plan.GroupVolSync+"/v1alpha1", "ReplicationSource", testNamespace, "app", nil)
	source.SetUID("source")
	if _, err := w.dynamic.Resource(resources()["ReplicationSource"]).Namespace(testNamespace).Create(w.t.Context(), source, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// sourceStatus is what the ReplicationSource's status says.
func (w *world) sourceStatus() status.Status {
	w.t.Helper()
	live, err := w.dynamic.Resource(resources()["ReplicationSource"]).Namespace(testNamespace).Get(w.t.Context(), "app", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var o struct {
		Status status.Status `json:"status"`
	}
	if err := convert(live, &o); err != nil {
		w.t.Fatal(err)
	}
	return o.Status
}

// TestARunThatOthersHaveCollectedKnowsNoBetter: its command slept, and wakes when its
// pod is gone.
func TestARunThatOthersHaveCollectedKnowsNoBetter(t *testing.T) {
	t.Parallel()
	later := startOf("later")
	later.StartTime = later.StartTime.Add(time.Hour)
	for name, c := range map[string]struct {
		then   func(*writer) error
		result string
		reason string
	}{
		"it was the last": {func(*writer) error { return nil }, "Successful", status.ReasonManual},
		"another has started": {func(w *writer) error {
			return errors.Join(w.begin(t.Context(), later), w.patchBeginning(t.Context(), later.StartTime))
		}, "Successful", status.ReasonRunning},
		"another has failed": {func(w *writer) error {
			_, err := w.write(t.Context(), historyOf(testSource), status.Run{Result: result.Result{RunID: "later", Outcome: result.Failed}})
			return err
		}, "Failed", status.ReasonError},
	} {
		w := newWorld(t)
		w.makeSource()
		wr := func() *writer { return &writer{cluster: w.cluster, object: testSource, live: true} }
		collected := good()
		collected.RunID, collected.Object, collected.StartTime = testRun, testSource, startOf(testRun).StartTime
		if _, err := wr().write(t.Context(), historyOf(testSource), status.Run{Result: collected}); err != nil {
			t.Fatal(err)
		}
		if err := c.then(wr()); err != nil {
			t.Fatal(err)
		}
		events, results := len(w.events()), len(w.history())
		woken := result.Result{RunID: testRun, Object: testSource, Outcome: result.Unknown, ExitCode: 1}
		if remembered, err := wr().write(t.Context(), historyOf(testSource), status.Run{Result: woken}); !remembered || err != nil {
			t.Errorf("%s: %v, %v", name, remembered, err)
		}
		if s := w.sourceStatus(); s.LatestMoverStatus.Result != c.result || s.Conditions[0].Reason != c.reason || (s.LastSyncStartTime != nil) != (c.reason == status.ReasonRunning) {
			t.Errorf("%s: the status says %+v, %+v", name, s.LatestMoverStatus, s)
		}
		if h := w.history(); len(h) != results || h[0].Outcome != result.Succeeded || len(w.events()) != events {
			t.Errorf("%s: %+v, %q", name, h, w.events())
		}
	}
}

// TestEachOfTheTwoIsWritten though the other cannot be, and that is told.
func TestEachOfTheTwoIsWritten(t *testing.T) {
	t.Parallel()
	for _, refused := range []string{"configmaps", "replicationsources"} {
		w := newWorld(t)
		w.makeSource()
		no := func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("no " + refused)
		}
		w.typed.PrependReactor("create", refused, no)
		w.dynamic.PrependReactor("patch", refused, no)
		r := result.Result{RunID: testRun, Object: testSource, Outcome: result.Failed, ExitCode: 1}
		remembered, err := (writer{cluster: w.cluster, object: testSource, live: true}).write(t.Context(), historyOf(testSource), status.Run{Result: r})
		if fault.CodeOf(err) != 8 || !strings.Contains(err.Error(), "no "+refused) || remembered != (refused != "configmaps") || len(w.events()) != 1 {
			t.Errorf("%s: %v, %v, %q", refused, remembered, err, w.events())
		}
		if refused == "configmaps" && w.sourceStatus().LatestMoverStatus == nil || refused != "configmaps" && len(w.history()) != 1 {
			t.Errorf("%s: the other was not written", refused)
		}
	}
}

// TestTheStatusTellsOfAStart, and of a run that failed before its mover began.
func TestTheStatusTellsOfAStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeSource()
	target := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun, Object: testSource}}, Outcome{}, deaf{}, time.Now, func(error) {})
	t.Cleanup(target.Close)
	if err := target.Record(t.Context(), result.Result{RunID: testRun}); err != nil || len(w.typed.Actions()) > 0 {
		t.Errorf("nobody was told of a start: %v", err)
	}
	target.began = time.Now()
	target.tellStart(t.Context(), plan.Step{Object: untype(t, historyOf(testSource)).Object, Status: &plan.Status{Object: &testSource}})
	reason := func() string {
		s := w.sourceStatus()
		c := s.Conditions[0]
		if (s.LastSyncStartTime != nil) != (c.Status == metav1.ConditionTrue) {
			t.Errorf("%+v", s)
		}
		return c.Reason
	}
	if got := reason(); got != status.ReasonRunning {
		t.Errorf("while it runs: %s", got)
	}
	w.typed.ClearActions()
	failed := result.Result{RunID: testRun, Object: testSource, Outcome: result.TimedOut, ExitCode: 6, Message: "it was not started within 5m"}
	if err := target.Record(t.Context(), failed); err != nil || reason() != status.ReasonError {
		t.Errorf("%v; %s", err, reason())
	}
	for _, a := range w.typed.Actions() {
		if a.GetVerb() == "get" {
			t.Errorf("what the writing of the start returned is read again: %s %s", a.GetVerb(), a.GetResource().Resource)
		}
	}
	m, err := w.cluster.typed.CoreV1().ConfigMaps(testNamespace).Get(t.Context(), plan.Name(plan.NameStatus, testSource, ""), metav1.GetOptions{})
	if err != nil || len(m.OwnerReferences) > 0 || len(startedRuns(m)) > 0 { // this plan names no owner
		t.Errorf("the history %+v, %v", m, err)
	}
	if h := w.history(); len(h) != 1 || h[0].Outcome != result.TimedOut {
		t.Errorf("%+v", h)
	}
}

// TestAnEventIsCutAtACharacter: the API server refuses what is no UTF-8.
func TestAnEventIsCutAtACharacter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := result.Result{RunID: testRun, Outcome: result.Failed, ExitCode: 1, Message: strings.Repeat("ä", 2000)}
	writer{cluster: w.cluster, object: testSource}.event(t.Context(), historyOf(testSource), status.Run{Result: r})
	if said := w.events(); len(said) != 1 || len(said[0]) > 1024 || len(said[0]) < 1020 || !utf8.ValidString(said[0]) {
		t.Errorf("%d bytes of %q", len(said[0]), said)
	}
}

// TestTheNextRunIsThatAfterTheEnd of a run that has outlasted its schedule.
func TestTheNextRunIsThatAfterTheEnd(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	then := end.Add(-150 * time.Minute)
	p := plan.Plan{Steps: []plan.Step{{ID: 2, Kind: plan.StepUnsuspend, Targets: []int{1}}}}
	x := NewTarget(&Cluster{}, p, Outcome{Scheduled: true, Next: &then}, deaf{}, func() time.Time { return end }, func(error) {})
	defer x.Close()
	if next := x.runOf(&result.Result{}).Next; next != &then {
		t.Errorf("without a Job: %v", next)
	}
	x.keepObject(1, untype(t, moverJob(note(plan.AnnotationScheduled, "0 * * * *"))))
	if next := x.runOf(&result.Result{}).Next; next == nil || !next.Equal(end.Add(30*time.Minute)) {
		t.Errorf("%v", next)
	}
}

// TestAnEarlierSuccessDoesNotStandForARunThatCannotBeCollected: monitoring believes
// what the status says of the last run.
func TestAnEarlierSuccessDoesNotStandForARunThatCannotBeCollected(t *testing.T) {
	t.Parallel()
	failed := result.Result{Outcome: result.Failed, ExitCode: 7, Message: "wrong password"}
	silent := func(p *corev1.Pod) {
		ended(failed)(p)
		p.Status.ContainerStatuses[0].State.Terminated.Message = ""
	}
	for want, pod := range map[result.Outcome]func(*corev1.Pod){result.Failed: ended(failed), result.Unknown: silent} {
		w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(pod))
		earlier := good()
		earlier.RunID, earlier.Object = "earlier", testSource
		if _, err := (writer{cluster: w.cluster, object: testSource}).addHistory(t.Context(), historyOf(testSource), status.Run{Result: earlier}); err != nil {
			t.Fatal(err)
		}
		w.typed.PrependReactor("create", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(coordinationv1.Resource("leases"), "", errors.New("no"))
		})
		standings, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
		if err == nil || len(standings) != 1 {
			t.Fatalf("%+v, %v", standings, err)
		}
		if got := standings[0].Results; len(got) != 2 || got[1].Outcome != want || got[1].RunID != testRun {
			t.Errorf("%+v, want %s last", got, want)
		}
	}
}

// TestAnOutcomeWhoseAnswerIsLostIsStillTheCommandsOwn: it is told by an Event, once.
func TestAnOutcomeWhoseAnswerIsLostIsStillTheCommandsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once sync.Once
	w.typed.PrependReactor("create", "configmaps", func(a clienttesting.Action) (handled bool, _ runtime.Object, err error) {
		once.Do(func() {
			m := a.(clienttesting.CreateAction).GetObject()
			handled, err = true, errors.Join(w.typed.Tracker().Create(a.GetResource(), m, a.GetNamespace()), apierrors.NewServiceUnavailable("it restarts"))
		})
		return handled, nil, err
	})
	ended := good()
	ended.Object = testSource
	remembered, err := writer{cluster: w.cluster, object: testSource}.write(t.Context(), historyOf(testSource), status.Run{Result: ended})
	if err != nil || !remembered || len(w.history()) != 1 || len(w.events()) != 1 {
		t.Errorf("%v, %v: %d in the history, %d Events", remembered, err, len(w.history()), len(w.events()))
	}
}

// TestARunThatStartsMeanwhileIsNotGone: to collect others takes its time.
func TestARunThatStartsMeanwhileIsNotGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())))
	other := testSource
	other.Name = "other"
	job := moverJob(startedAgo(0), note(plan.AnnotationObject, other.String()))
	job.Name, job.UID, job.Labels, job.CreationTimestamp = "vk-src-other", "other", labelsOf(plan.RoleMover), metav1.Now()
	job.Labels[plan.LabelRun], job.Labels[plan.LabelSource] = "later", plan.SourceLabel(other)
	started := run.Uncollected(&result.Task{RunID: "later", Operation: result.OperationBackup, Object: other}, time.Now())
	text, err := json.Marshal(started)
	if err != nil {
		t.Fatal(err)
	}
	history := historyOf(other)
	history.Data = map[string]string{startedPrefix + "later": string(text)}
	var once sync.Once
	w.typed.PrependReactor("list", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		once.Do(func() {
			tracker := w.typed.Tracker()
			if err := errors.Join(
				tracker.Create(batchv1.SchemeGroupVersion.WithResource("jobs"), job, testNamespace),
				tracker.Create(corev1.SchemeGroupVersion.WithResource("configmaps"), history, testNamespace),
			); err != nil {
				t.Error(err)
			}
		})
		return false, nil, nil
	})
	standings, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
	if err != nil || len(standings) != 2 || len(standings[1].Results) > 0 || standings[1].Running != "later" || standings[1].RunningSince.IsZero() || len(standings[0].Results) != 1 {
		t.Errorf("%+v, %v", standings, err)
	}
}

// TestARunThatEndsMeanwhileIsNotUnknown: its outcome is written and its Job removed
// between a look at the histories and one at the Jobs.
func TestARunThatEndsMeanwhileIsNotUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)), moverPod(running))
	if err := (&writer{cluster: w.cluster, object: testSource}).begin(t.Context(), startOf(testRun)); err != nil {
		t.Fatal(err)
	}
	good := good()
	good.Object = testSource
	written := apply(t, historyOf(testSource), status.Run{Result: good})
	// A run that has started since then has a Job that was not listed.
	text, err := json.Marshal(startOf("next"))
	if err != nil {
		t.Fatal(err)
	}
	written.Data[startedPrefix+"next"] = string(text)
	var once sync.Once
	w.typed.PrependReactor("list", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
		once.Do(func() {
			tracker := w.typed.Tracker()
			wrote := tracker.Update(corev1.SchemeGroupVersion.WithResource("configmaps"), written, testNamespace)
			if err := errors.Join(wrote, tracker.Delete(a.GetResource(), testNamespace, testJob)); err != nil {
				t.Error(err)
			}
		})
		return false, nil, nil
	})
	if got := w.outcomes(); len(got) != 1 || got[0] != result.Succeeded {
		t.Errorf("outcomes %v, want the one that was written", got)
	}
}

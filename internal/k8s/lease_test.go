package k8s

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
)

// TestTheStatesOfARun: a mover that was told to stop may save for minutes what it
// has, and is alive meanwhile.
func TestTheStatesOfARun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job   *batchv1.Job
		pods  []corev1.Pod
		state RunState
		busy  bool
	}{
		"prepared":               {moverJob(), nil, RunPrepared, false},
		"running":                {moverJob(startedAgo(time.Hour)), []corev1.Pod{*moverPod(running)}, RunRunning, true},
		"about to start":         {moverJob(startedAgo(time.Minute)), []corev1.Pod{*moverPod()}, RunRunning, true},
		"cannot start":           {moverJob(startedAgo(time.Hour)), []corev1.Pod{*moverPod()}, RunRunning, false},
		"has no pod":             {moverJob(startedAgo(time.Hour)), nil, RunRunning, false},
		"may wait without limit": {moverJob(startedAgo(time.Hour), note(plan.AnnotationStartLimit, "")), nil, RunRunning, true},
		"stopping":               {moverJob(toldToStop), []corev1.Pod{*moverPod(running)}, RunStopping, true},
		"stopping, silently":     {moverJob(toldToStop), []corev1.Pod{*moverPod(running, deletionDue(10*time.Minute))}, RunStopping, true},
		"lost when it stopped":   {moverJob(toldToStop), []corev1.Pod{*moverPod(running, deletionDue(20*time.Minute))}, RunStopping, false},
		"lost before it started": {moverJob(toldToStop), []corev1.Pod{*moverPod(deletionDue(20 * time.Minute))}, RunStopping, false},
		"evicted from a lost node": {
			moverJob(startedAgo(time.Hour)), []corev1.Pod{*moverPod(running, deletionDue(20*time.Minute))}, RunRunning, false,
		},
		"stopped":                 {moverJob(toldToStop), nil, RunCancelled, false},
		"ended":                   {moverJob(startedAgo(time.Hour)), []corev1.Pod{*moverPod(ended(good()))}, RunFinished, false},
		"ended, its phase trails": {moverJob(startedAgo(time.Hour)), []corev1.Pod{*moverPod(ended(good()), func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning })}, RunFinished, false},
		"collected":               {moverJob(toldToStop, note(plan.AnnotationCollected, "true")), nil, RunCollected, false},
	} {
		if r := runOf(c.job, c.pods); r.State != c.state || r.busy(time.Now()) != c.busy {
			t.Errorf("%s: %s, busy %v", name, r.State, r.busy(time.Now()))
		}
	}
}

// TestAMoverThatStopsIsAlive: nobody takes its run for dead, with or without the
// renewals of its command.
func TestAMoverThatStopsIsAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(toldToStop), moverPod(running))
	w.heldBy(testRun)
	err := w.leaseFor("next").take(t.Context(), wantedLease("next"), t.Logf)
	if fault.CodeOf(err) != 5 || !strings.Contains(err.Error(), "its mover is running in Job "+testJob) {
		t.Errorf("the next run: %v", err)
	}
	if remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Runs) > 0 || len(remains.Leases) > 0 {
		t.Errorf("remains: %+v, %v", remains, err)
	}
	if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); fault.CodeOf(err) != 5 {
		t.Errorf("buried: %v", err)
	}
}

// TestTheLeaseIsRenewedBeforeAMoverIsStopped: from the suspension on it is the Lease
// that says that the command lives.
func TestTheLeaseIsRenewedBeforeAMoverIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)))
	target := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
	t.Cleanup(target.Close)
	target.lease.held, target.lease.paused = w.heldBy(testRun), true
	target.keepObject(1, untype(t, moverJob()))
	target.view.note("Pod", untype(t, moverPod(ended(cutShort()))), true)
	if _, err := target.followUntil(t.Context(), plan.Step{Targets: []int{1}}, fault.New(fault.Interrupt, "cancelled by SIGINT")); err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, a := range w.typed.Actions() {
		if a.GetVerb() == "update" || a.GetVerb() == "patch" {
			did = append(did, a.GetVerb()+" "+a.GetResource().Resource)
		}
	}
	if !slices.Equal(did[:2], []string{"update leases", "patch jobs"}) {
		t.Errorf("did %v", did)
	}
	if noted := w.run().job.Annotations[plan.AnnotationStopped]; noted != "Interrupt: cancelled by SIGINT" {
		t.Errorf("the Job says %q", noted)
	}
}

// TestOnlyMoversBlock: a question to the repository holds nothing.
func TestOnlyMoversBlock(t *testing.T) {
	t.Parallel()
	ask := moverJob(startedAgo(time.Minute))
	ask.Name, ask.Labels = "vk-ask-app", labelsOf(plan.RoleAsk)
	w := newWorld(t, moverJob(), ask)
	if err := w.leaseFor("next").checkMovers(t.Context(), wantedLease(testRun)); err != nil {
		t.Error(err)
	}
}

// TestALeaseIsReleasedThoughARenewalsAnswerWasLost: its version is newer than the
// run knows, and it is the run's own all the same.
func TestALeaseIsReleasedThoughARenewalsAnswerWasLost(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{testRun, "another"} {
		w := newWorld(t)
		l := w.leaseFor(testRun)
		l.held = w.heldBy(testRun)
		newer := l.held.DeepCopy()
		newer.Spec.HolderIdentity = &holder
		if _, err := w.cluster.typed.CoordinationV1().Leases(testNamespace).Update(t.Context(), newer, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := l.release(t.Context()); err != nil || (w.held() == nil) != (holder == testRun) {
			t.Errorf("held by %s: %v; the Lease: %v", holder, err, w.held())
		}
	}
}

// TestALeaseIsTakenOverThoughAStatusCannotBeWritten: what is wrong with a dead run's
// status keeps no later run from its work.
func TestALeaseIsTakenOverThoughAStatusCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour), note(plan.AnnotationWritesStatus, "true")), moverPod(ended(good())))
	w.dynamic.PrependReactor("get", "replicationsources", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("the webhook says no")
	})
	w.heldBy(testRun)
	l := w.leaseFor("next")
	said := ""
	say := func(format string, args ...any) { said += strings.Join(append([]string{format}, texts(args)...), " ") }
	if err := l.take(t.Context(), wantedLease("next"), say); err != nil || labelOf(w.held()) != "next" {
		t.Fatalf("%v; held by %v", err, w.held())
	}
	l.stop()
	if !strings.Contains(said, "the webhook says no") {
		t.Errorf("said %s", said)
	}
	if r := w.run(); r.State != RunCollected || len(w.history()) != 1 {
		t.Errorf("%s, history %+v", r.State, w.history())
	}
}

func texts(args []any) []string {
	var list []string
	for _, a := range args {
		if err, ok := a.(error); ok {
			list = append(list, err.Error())
		}
	}
	return list
}

// TestATakeoverThatFailsGivesTheLeaseBack: a hook that stays due blocks, and who
// comes next must still know of it.
func TestATakeoverThatFailsGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob())
	w.heldBy(testRun)
	w.dynamic.PrependReactor("list", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("no")
	})
	if err := w.leaseFor("next").take(t.Context(), wantedLease("next"), t.Logf); err == nil || labelOf(w.held()) != testRun {
		t.Errorf("%v; held by %s", err, labelOf(w.held()))
	}
}

// TestAMoverBlocksThoughItsLeaseIsGone: somebody has deleted it, or its command has
// given it back with a mover that would not end.
func TestAMoverBlocksThoughItsLeaseIsGone(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]*batchv1.Job{"runs": moverJob(startedAgo(time.Minute)), "stops": moverJob(toldToStop)} {
		w := newWorld(t, job, moverPod(running))
		err := w.leaseFor("next").take(t.Context(), wantedLease("next"), t.Logf)
		if fault.CodeOf(err) != 5 || !strings.Contains(err.Error(), testRun) || !strings.Contains(err.Error(), "Job "+testJob) {
			t.Errorf("%s: %v", name, err)
		}
		if w.held() != nil {
			t.Errorf("%s: the Lease of the run that was refused is left", name)
		}
	}
}

// TestADeadRunIsEndedThoughItsLeaseIsGone by the next one, and not only by cleanup.
func TestADeadRunIsEndedThoughItsLeaseIsGone(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]*batchv1.Job{"prepared": moverJob(), "finished": moverJob(startedAgo(time.Hour))} {
		objects := []runtime.Object{job}
		if name == "finished" {
			objects = append(objects, moverPod(ended(good())))
		}
		w := newWorld(t, objects...)
		l := w.leaseFor("next")
		if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil || labelOf(w.held()) != "next" {
			t.Errorf("%s: %v; held by %v", name, err, w.held())
		}
		l.stop()
		runs, err := w.cluster.Runs(t.Context(), testNamespace)
		if err != nil || len(runs) > 0 && runs[0].State != RunCollected {
			t.Errorf("%s: %+v, %v", name, runs, err)
		}
	}
}

// TestALeaseThatCannotBeWatchedIsNotWatchedForEver: what is not seen is not observed,
// and no run waits for a server that stays away.
func TestALeaseThatCannotBeWatchedIsNotWatchedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		held := w.heldBy(testRun)
		w.typed.PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewServiceUnavailable("away")
		})
		began := time.Now()
		_, err := w.leaseFor("next").outlast(t.Context(), held, t.Logf)
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "watch the Lease") || took > 2*patience {
			t.Errorf("%v, after %s", err, took)
		}
	})
}

// TestWhatWasNotSeenOfALeaseWasNotObserved: a holder may have renewed it meanwhile.
func TestWhatWasNotSeenOfALeaseWasNotObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		held := w.heldBy(testRun)
		away := time.Now().Add(30 * time.Second)
		w.typed.PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return time.Now().Before(away), nil, apierrors.NewServiceUnavailable("away")
		})
		if _, err := w.leaseFor("next").outlast(t.Context(), held, t.Logf); err != nil || time.Since(away) < durationOf(held) {
			t.Errorf("%v, %s after the server was back", err, time.Since(away))
		}
	})
}

// TestWhyALeaseCannotBeWrittenIsTold at once, and what may pass is tried again.
func TestWhyALeaseCannotBeWrittenIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := coordinationv1.Resource("leases")
		for name, c := range map[string]struct {
			answer error
			often  int
			code   fault.ExitCode
		}{
			"forbidden":      {apierrors.NewForbidden(leases, "", errors.New("the webhook says no")), 9, 5},
			"invalid":        {apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), "the webhook says no", nil), 9, 1},
			"away":           {apierrors.NewServiceUnavailable("away"), 3, 0},
			"no answer":      {errors.New("no route to host"), 3, 0},
			"somebody wrote": {apierrors.NewConflict(leases, "", errors.New("newer")), 4, 0},
		} {
			w := newWorld(t)
			l := w.leaseFor(testRun)
			l.held = w.heldBy(testRun)
			tries := 0
			w.typed.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
				tries++
				return tries <= c.often, nil, c.answer
			})
			if err := l.renewOnce(t.Context()); err != nil {
				t.Errorf("%s: a renewal that fails is no loss: %v", name, err)
			}
			tries = 0
			err := l.adopt(t.Context(), metav1.OwnerReference{Name: testJob})
			if fault.CodeOf(err) != c.code || c.code != 0 && (tries != 1 || !strings.Contains(err.Error(), "the webhook says no")) {
				t.Errorf("%s: %v, after %d tries", name, err, tries)
			}
			if c.code == 0 && len(w.held().OwnerReferences) != 1 {
				t.Errorf("%s: %+v", name, w.held())
			}
		}
	})
}

// TestALeaseThatSaysAYearIsWatchedForAMinute: whoever may write one must not stop every
// cleanup of the namespace.
func TestALeaseThatSaysAYearIsWatchedForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		held := wantedLease(testRun)
		held.Spec.LeaseDurationSeconds = ptr(int32(365 * 24 * 3600))
		if _, err := w.typed.CoordinationV1().Leases(testNamespace).Create(t.Context(), held, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Leases) != 1 {
			t.Errorf("%+v, %v", remains, err)
		}
		if took := time.Since(began); took > 2*longestLease {
			t.Errorf("cleanup looked on for %s", took)
		}
		began = time.Now()
		l := w.leaseFor("next")
		if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil {
			t.Error(err)
		}
		l.stop()
		if took := time.Since(began); took > 2*longestLease {
			t.Errorf("the next run looked on for %s", took)
		}
	})
}

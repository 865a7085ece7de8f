package k8s

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestTwoWhoCollectDoItOnce: two monitors have found the same dead run. One Event,
// one entry in the history, and the Lease is gone.
func TestTwoWhoCollectDoItOnce(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())))
		dead := w.run()
		if held {
			dead.lease = w.heldBy(testRun)
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := w.cluster.Bury(t.Context(), dead, time.Now, t.Logf); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if err := w.cluster.Bury(t.Context(), dead, time.Now, t.Logf); err != nil {
			t.Errorf("a third, later: %v", err)
		}
		if r := w.run(); r.State != RunCollected || len(w.events()) != 1 || len(w.history()) != 1 || w.held() != nil {
			t.Errorf("held %v: %s, events %q, history %+v, Lease %v", held, r.State, w.events(), w.history(), w.held())
		}
	}
}

// TestRunsOfAHeldSourceAreLeftAlone: its living run's Lease must not be taken away.
func TestRunsOfAHeldSourceAreLeftAlone(t *testing.T) {
	t.Parallel()
	other := moverJob(startedAgo(time.Minute))
	other.Name, other.UID = "vk-src-app-other", "other"
	other.Labels = labelsOf(plan.RoleMover)
	other.Labels[plan.LabelRun] = "other"
	w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())), other)
	w.heldBy("other")
	if remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Runs)+len(remains.Leases) > 0 {
		t.Errorf("%+v, %v", remains, err)
	}
}

// TestAnOutcomeThatCannotBeWrittenIsKept: the copy goes, the Job stays with the
// Result, and whoever looks next writes that.
func TestAnOutcomeThatCannotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())))
	var writable bool
	w.typed.PrependReactor("create", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return !writable, nil, errors.New("read only")
	})
	listed := 0
	w.dynamic.PrependReactor("list", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
		listed++
		return false, nil, nil
	})
	if err := w.cluster.Bury(t.Context(), w.run(), time.Now, t.Logf); fault.CodeOf(err) != 8 || !strings.Contains(err.Error(), "read only") {
		t.Errorf("%v", err)
	}
	if r := w.run(); r.State != RunFinished || !r.kept || listed == 0 {
		t.Fatalf("%s, Result kept %v, looked for copies %d times", r.State, r.kept, listed)
	}
	writable = true
	if err := w.cluster.typed.CoreV1().Pods(testNamespace).Delete(t.Context(), testJob+"-abcde", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	finished := w.run()
	finished.State = RunFinished // as its Job says without the pod, by and by
	if _, err := w.cluster.bury(t.Context(), finished, nil, time.Now, t.Logf); err != nil {
		t.Error(err)
	}
	if h := w.history(); len(h) != 1 || h[0].Outcome != result.Succeeded || w.run().State != RunCollected {
		t.Errorf("history %+v, %s", h, w.run().State)
	}
}

// TestHowACollectedRunEnded: what a collector writes is what the run's own command
// would have written.
func TestHowACollectedRunEnded(t *testing.T) {
	t.Parallel()
	empty := cutShort()
	empty.Snapshot = nil
	deadline := func(p *corev1.Pod) {
		ended(cutShort())(p)
		p.Status.Phase, p.Status.Reason, p.Spec.ActiveDeadlineSeconds = corev1.PodFailed, "DeadlineExceeded", ptr(int64(60))
	}
	deleted := func(p *corev1.Pod) { ended(empty)(p); p.Status.Reason = "Evicted" }
	killed := func(p *corev1.Pod) {
		r := result.Result{Outcome: result.Failed, ExitCode: 1, Message: "kopia was killed"}
		ended(r)(p)
		p.Status.ContainerStatuses[0].State.Terminated.Reason = "OOMKilled"
	}
	for name, c := range map[string]struct {
		stopped string
		pod     func(*corev1.Pod)
		outcome result.Outcome
		code    int
		says    string
	}{
		"well":                             {"", ended(good()), result.Succeeded, 0, ""},
		"stopped by others, a part saved":  {"", ended(cutShort()), result.Incomplete, 4, "suspended its Job"},
		"stopped by others, nothing saved": {"", ended(empty), result.Failed, 1, "suspended its Job"},
		"evicted":                          {"", deleted, result.Failed, 1, "stopped by Evicted"},
		"by its own command's SIGINT":      {"Interrupt: cancelled by SIGINT", ended(cutShort()), result.Cancelled, 130, ""},
		"by its own command's limit":       {"TimedOut: the run took longer than 1m", ended(cutShort()), result.TimedOut, 6, "longer than 1m"},
		"by runs cancel":                   {"Failed: cancelled by me", ended(cutShort()), result.Incomplete, 4, "cancelled by me"},
		"by its kubelet's limit":           {"", deadline, result.TimedOut, 6, "longer than 1m0s"},
		"out of memory":                    {"", killed, result.Failed, 1, "OOMKilled"},
	} {
		job := moverJob(toldToStop)
		if c.stopped != "" {
			job.Annotations[plan.AnnotationStopped] = c.stopped
		}
		w := newWorld(t, job, moverPod(c.pod))
		if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h := w.history()
		if len(h) != 1 || h[0].Outcome != c.outcome || h[0].ExitCode != c.code || !strings.Contains(h[0].Message, c.says) {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// TestAMoverThatCannotStartIsEnded: its command is dead, and nobody else would.
func TestAMoverThatCannotStartIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour)))
	w.heldBy(testRun)
	l := w.leaseFor("next")
	if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil {
		t.Fatal(err)
	}
	l.stop()
	h := w.history()
	if len(h) != 1 || h[0].Outcome != result.Failed || h[0].ExitCode != 1 || !strings.Contains(h[0].Message, "had not started within 10m0s") {
		t.Errorf("%+v", h)
	}
	if _, err := w.cluster.FindRun(t.Context(), testNamespace, testRun); fault.CodeOf(err) != 5 {
		t.Errorf("the Job is still there: %v", err)
	}
}

// TestAQuestionOfADeadCommandGoes with the copy.
func TestAQuestionOfADeadCommandGoes(t *testing.T) {
	t.Parallel()
	ask := moverJob(startedAgo(time.Minute))
	ask.Name, ask.UID, ask.Labels = "vk-ask-app", "ask", labelsOf(plan.RoleAsk)
	w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())), ask)
	if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := w.cluster.typed.BatchV1().Jobs(testNamespace).Get(t.Context(), ask.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}

// TestAttachToACollectedRun says what was collected, and stops nothing.
func TestAttachToACollectedRun(t *testing.T) {
	t.Parallel()
	kept := `{"apiVersion":"volsync-kopia/v1","kind":"Result","operation":"backup","runID":"` + testRun + `","outcome":"Failed","exitCode":7,"reason":"Repository"}`
	w := newWorld(t, moverJob(startedAgo(time.Hour), note(plan.AnnotationCollected, "true"), note(plan.AnnotationResult, kept)))
	for _, cancel := range []error{nil, errors.New("cancelled by me")} {
		if r, err := w.cluster.Attach(t.Context(), w.run(), cancel, deaf{}, time.Now); err != nil || r.ExitCode != 7 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if suspended(w.run().job) {
		t.Error("the Job was suspended")
	}
}

// TestAttachToARunWhoseResultWasKept: its history could not be written, and its pod
// went with the copy. What is on the Job is the run's Result, and not that its pod
// was never seen.
func TestAttachToARunWhoseResultWasKept(t *testing.T) {
	t.Parallel()
	kept := `{"apiVersion":"volsync-kopia/v1","kind":"Result","operation":"backup","runID":"` + testRun +
		`","object":{"kind":"ReplicationSource","namespace":"` + testNamespace + `","name":"app"},"outcome":"Succeeded","exitCode":0,"snapshot":{"id":"k1","proved":"blobs"}}`
	done := func(j *batchv1.Job) {
		j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	}
	w := newWorld(t, moverJob(startedAgo(time.Hour), done, note(plan.AnnotationResult, kept)))
	r, err := w.cluster.Attach(t.Context(), w.run(), nil, deaf{}, time.Now)
	if err != nil || r.Outcome != result.Succeeded {
		t.Errorf("attach says %+v, %v", r, err)
	}
	if h := w.history(); len(h) != 1 || h[0].Outcome != result.Succeeded || w.run().State != RunCollected {
		t.Errorf("history %+v, %s", h, w.run().State)
	}
}

// TestACancelBeforeThereIsAPod: nothing can have been written. The Job controller
// has not made the pod, and now never will.
func TestACancelBeforeThereIsAPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Second)))
	r, err := w.cluster.Attach(t.Context(), w.run(), errors.New("cancelled by me"), deaf{}, time.Now)
	if err != nil || r.Outcome != result.Cancelled || !strings.Contains(r.Message, "before it started") {
		t.Errorf("%+v, %v", r, err)
	}
	if h := w.history(); len(h) != 1 || h[0].Reason != "StoppedByOthers" || !strings.Contains(h[0].Message, "cancelled by me") {
		t.Errorf("history %+v", h)
	}
}

// TestTheRepositoryIsAskedForADeadRun that has left no result.
func TestTheRepositoryIsAskedForADeadRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(toldToStop))
	asked := 0
	w.dynamic.PrependReactor("create", "jobs", func(_ clienttesting.Action) (bool, runtime.Object, error) {
		asked++
		return true, nil, errors.New("quota")
	})
	if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); err != nil {
		t.Fatal(err)
	}
	if h := w.history(); asked != 1 || len(h) != 1 || h[0].Outcome != result.Unknown || !strings.Contains(h[0].Message, "could not be asked") {
		t.Errorf("asked %d times; %+v", asked, h)
	}
}

// TestARunIsFoundByTheEndOfItsId, unless that is the end of two.
func TestARunIsFoundByTheEndOfItsId(t *testing.T) {
	t.Parallel()
	other := moverJob()
	other.Name, other.UID, other.Labels = "vk-src-app-other", "other", labelsOf(plan.RoleMover)
	other.Labels[plan.LabelRun] = "20261122-2106-x7k2q"
	w := newWorld(t, moverJob(), other)
	for id, want := range map[string]string{testRun: testRun, "2105-x7k2q": testRun, "x7k2q": "", "7k2q": "", "": ""} {
		if r, err := w.cluster.FindRun(t.Context(), testNamespace, id); r.ID != want || (fault.CodeOf(err) == 5) != (want == "") {
			t.Errorf("%q: %q, %v", id, r.ID, err)
		}
	}
}

// TestWhoMayNotLookHasEndedNothing: that the runs cannot be listed any more does not
// say that somebody else has ended one.
func TestWhoMayNotLookHasEndedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())))
	dead := w.run()
	w.typed.PrependReactor("list", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(batchv1.Resource("jobs"), "", errors.New("no more"))
	})
	if err := w.cluster.Bury(t.Context(), dead, time.Now, t.Logf); fault.CodeOf(err) != 5 {
		t.Errorf("%v", err)
	}
}

package k8s

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestALostMoverDoesNotHoldItsSource: its node is gone, its pod stays Terminating, and
// nobody will ever say how it has ended.
func TestALostMoverDoesNotHoldItsSource(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]*batchv1.Job{"told to stop": moverJob(toldToStop), "evicted": moverJob(startedAgo(time.Hour))} {
		w := newWorld(t, job, moverPod(running, deletionDue(time.Hour)))
		w.dynamic.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("the question is another test's")
		})
		w.heldBy(testRun)
		l := w.leaseFor("next")
		if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l.stop()
		if h := w.history(); len(h) != 1 || h[0].Outcome != result.Unknown || h[0].ExitCode != 1 || !strings.Contains(h[0].Message, "node node-1 has not said") {
			t.Errorf("%s: %+v", name, h)
		}
		if !w.forgot() {
			t.Errorf("%s: its pod keeps the claim that it names", name)
		}
		if runs, err := w.cluster.Runs(t.Context(), testNamespace); err != nil || len(runs) > 0 && runs[0].State != RunCollected {
			t.Errorf("%s: %+v, %v", name, runs, err)
		}
	}
}

// TestALostMoverIsEndedWithoutTheRightToItsPod: a run without a copy needs none.
func TestALostMoverIsEndedWithoutTheRightToItsPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(toldToStop), moverPod(running, deletionDue(time.Hour)))
	w.dynamic.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no"))
	})
	w.dynamic.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("the question is another test's")
	})
	if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := w.cluster.FindRun(t.Context(), testNamespace, testRun); fault.CodeOf(err) != 5 {
		t.Errorf("the Job, which blocks, is still there: %v", err)
	}
}

// forgot reports whether a pod was deleted without waiting for its kubelet.
func (w *world) forgot() bool {
	for _, a := range w.dynamic.Actions() {
		if d, ok := a.(clienttesting.DeleteActionImpl); ok && a.GetResource().Resource == "pods" {
			if g := d.DeleteOptions.GracePeriodSeconds; g != nil && *g == 0 {
				return true
			}
		}
	}
	return false
}

// TestACancelOfALostMoverEnds, and says what can be done.
func TestACancelOfALostMoverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, moverJob(startedAgo(time.Minute)), moverPod(running))
		began := time.Now()
		r, err := w.cluster.Attach(t.Context(), w.run(), errors.New("cancelled by me"), deaf{}, time.Now)
		var f *fault.Error
		if r != nil || fault.CodeOf(err) != 6 || !errors.As(err, &f) || !strings.Contains(f.Hint, "cleanup") || time.Since(began) > time.Minute {
			t.Errorf("%+v, %v, after %s", r, err, time.Since(began))
		}
		if !suspended(w.run().job) {
			t.Error("it was not told to stop")
		}
	})
}

// TestAJobThatIsStoppedBeforeItHasAPodEndsTheWait, and says who has stopped it.
func TestAJobThatIsStoppedBeforeItHasAPodEndsTheWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stop func(*batchv1.Job)
		says string
	}{
		"by runs cancel": {note(plan.AnnotationStopped, "Failed: cancelled by me"), "stopped by another command (cancelled by me)"},
		"by somebody":    {func(*batchv1.Job) {}, "stopped by who suspended its Job"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, moverJob())
			x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
			defer x.Close()
			x.keepObject(1, untype(t, moverJob()))
			began := time.Now()
			time.AfterFunc(time.Second, func() {
				stopped := moverJob(toldToStop, c.stop)
				if err := w.typed.Tracker().Update(batchv1.SchemeGroupVersion.WithResource("jobs"), stopped, testNamespace); err != nil {
					t.Error(err)
				}
			})
			r, err := x.start(t.Context(), plan.Step{Targets: []int{1}, Waits: []plan.Wait{{For: plan.UntilScheduled, Timeout: result.Duration(5 * time.Minute)}}})
			if took := time.Since(began); err != nil || r == nil || took > 15*time.Second {
				t.Fatalf("%s: %+v, %v, after %s", name, r, err, took)
			}
			if r.Outcome != result.Cancelled || !strings.Contains(r.Message, "before it started") || !strings.Contains(r.Message, c.says) {
				t.Errorf("%s: %+v", name, r)
			}
		})
	}
}

// TestAttachSaysWhyTheMoverHasNotBegun, and goes on waiting.
func TestAttachSaysWhyTheMoverHasNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pulling := moverPod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "InvalidImageName", Message: "no such name"},
			}}}
		})
		w := newWorld(t, moverJob(startedAgo(time.Second)), pulling)
		time.AfterFunc(10*time.Second, func() {
			pods := resources()["Pod"]
			done := moverPod(ended(good()))
			if err := errors.Join(w.dynamic.Tracker().Update(pods, untype(t, done), testNamespace), w.typed.Tracker().Update(pods, done, testNamespace)); err != nil {
				t.Error(err)
			}
		})
		said := &heard{}
		if r, err := w.cluster.Attach(t.Context(), w.run(), nil, said, time.Now); err != nil || r.Outcome != result.Succeeded {
			t.Errorf("%+v, %v", r, err)
		}
		if !strings.Contains(strings.Join(said.lines, "\n"), "the mover is not yet started: ") || !strings.Contains(strings.Join(said.lines, "\n"), "no such name") {
			t.Errorf("said %q", said.lines)
		}
	})
}

// TestWhyAKilledMoverWasToldToStop: it has outlasted its grace period, and says nothing.
func TestWhyAKilledMoverWasToldToStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)))
	x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
	defer x.Close()
	x.keepObject(1, untype(t, moverJob()))
	killed := func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Terminated.Signal, p.Status.ContainerStatuses[0].State.Terminated.Message = 9, ""
	}
	x.view.note("Pod", untype(t, moverPod(ended(good()), killed)), true)
	r, err := x.followUntil(t.Context(), plan.Step{Targets: []int{1}}, fault.New(fault.TimedOut, "the mover ran longer than 1h0m0s"))
	if err != nil || r.Outcome != result.Unknown || r.ExitCode != 1 || !strings.HasPrefix(r.Message, "the mover ran longer than 1h0m0s: the mover was killed by signal 9") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWhoHasStoppedAMoverIsNamed by its own command, too.
func TestWhoHasStoppedAMoverIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job  *batchv1.Job
		says string
	}{
		"runs cancel":    {moverJob(toldToStop, note(plan.AnnotationStopped, "Failed: cancelled by me")), "; stopped by another command (cancelled by me)"},
		"suspended":      {moverJob(toldToStop), "; stopped by who suspended its Job"},
		"its pod's end":  {moverJob(startedAgo(time.Minute)), "; stopped by who deleted its pod"},
		"the Job's, too": {nil, "stopped by SIGTERM"},
	} {
		var objects []runtime.Object
		if c.job != nil {
			objects = append(objects, c.job)
		}
		w := newWorld(t, objects...)
		x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
		x.keepObject(1, untype(t, moverJob()))
		x.view.note("Pod", untype(t, moverPod(ended(cutShort()), deletionDue(0))), true)
		r, err := x.follow(t.Context(), plan.Step{Targets: []int{1}})
		if err != nil || !strings.Contains(r.Message, c.says) || strings.Contains(r.Message, "the pod was deleted") {
			t.Errorf("%s: %q, %v", name, r.Message, err)
		}
		x.Close()
	}
}

// TestALostMoverEndsItsOwnCommandsWait, too, and the run's copy and Job go without the
// kubelet's word.
func TestALostMoverEndsItsOwnCommandsWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(toldToStop), moverPod(running, deletionDue(lostAfter+time.Minute)))
	x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
	defer x.Close()
	x.keepObject(1, untype(t, moverJob()))
	x.keepObject(2, objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", nil))
	x.view.note("Pod", untype(t, moverPod(running, deletionDue(lostAfter-time.Minute))), false)
	if ended, err := (&following{target: x}).ended(); ended || err != nil {
		t.Errorf("before its time: %v, %v", ended, err)
	}
	x.view.note("Pod", untype(t, moverPod(running, deletionDue(lostAfter+time.Minute))), false)
	r, err := x.follow(t.Context(), plan.Step{Targets: []int{1}})
	if err != nil || r.Outcome != result.Unknown || !strings.Contains(r.Message, "node node-1 has not said") {
		t.Errorf("%+v, %v", r, err)
	}
	if err := x.remove(t.Context(), 2); err != nil || !w.forgot() {
		t.Errorf("its pod keeps the claim that it names: %v", err)
	}
	x.suspended = true
	if err := x.keep(t.Context(), plan.Step{Targets: []int{1}, KeepSeconds: ptr(int32(3600))}, r); err != nil {
		t.Error(err)
	}
	if runs, err := w.cluster.Runs(t.Context(), testNamespace); err != nil || len(runs) > 0 {
		t.Errorf("%+v, %v", runs, err)
	}
}

// TestALiveRunAndACollectedOneAgreeOnWhyItWasStopped by a limit of its own command.
func TestALiveRunAndACollectedOneAgreeOnWhyItWasStopped(t *testing.T) {
	t.Parallel()
	for _, cause := range []*fault.Error{
		fault.New(fault.TimedOut, "the mover ran longer than 1h0m0s").WithHint("--timeout sets the limit"),
		fault.New(fault.Failed, "the mover cannot start: FailedMount"),
	} {
		w := newWorld(t, moverJob(startedAgo(time.Minute)))
		x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, deaf{}, time.Now, func(error) {})
		x.keepObject(1, untype(t, moverJob()))
		x.view.note("Pod", untype(t, moverPod(ended(cutShort()))), true)
		live, err := x.followUntil(t.Context(), plan.Step{Targets: []int{1}}, cause)
		x.Close()
		if err != nil {
			t.Fatal(err)
		}
		dead := w.run().settled(ptr(cutShort()))
		if live.Outcome != dead.Outcome || live.ExitCode != dead.ExitCode || live.Reason != dead.Reason || live.Message != dead.Message || live.Hint != cause.Hint {
			t.Errorf("live %+v\ncollected %+v", live, dead)
		}
	}
}

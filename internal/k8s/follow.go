package k8s

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

const (
	// stopMargin is what a pod may take beyond its grace period to be seen ended.
	stopMargin = 30 * time.Second
	// logMargin is how long the log may trail the pod's end, and the pod's end a log
	// that has ended with its Result.
	logMargin = 10 * time.Second
	// lookTimeout bounds a look that only explains.
	lookTimeout = 10 * time.Second
)

// follow reads the mover's log to its end and returns its Result, whatever it
// is. When ctx ends, the mover is told to stop and is still heard.
func (t *Target) follow(ctx context.Context, step plan.Step) (*result.Result, error) {
	return t.followUntil(ctx, step, nil)
}

// followUntil is follow; with stop the mover is told to stop at once, because of
// it.
func (t *Target) followUntil(ctx context.Context, step plan.Step, stop error) (*result.Result, error) {
	f := following{
		target: t, job: t.object(step.Targets[0]).GetName(), waits: step.Waits,
		collect: run.Collector{Observer: t.observer, Task: t.plan.Task, Began: t.began, Now: t.now},
	}
	f.heard.Store(t.now().UnixNano())
	t.followed = true
	if stop == nil {
		t.lease.rest() // until then, a command that is alive renews it
	}
	r, err := f.follow(ctx, stop)
	if err != nil {
		return nil, err
	}
	t.lease.wake(context.WithoutCancel(ctx))
	if !t.suspended && r.Outcome == result.Cancelled {
		t.nameWhoStopped(ctx, r, f.job)
	}
	return r, nil
}

// nameWhoStopped says who has stopped a mover that this run has not, as far as its
// Job and its pod say.
func (t *Target) nameWhoStopped(ctx context.Context, r *result.Result, job string) {
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	j, err := t.cluster.typed.BatchV1().Jobs(t.plan.Object.Namespace).Get(looking, job, metav1.GetOptions{})
	if err != nil {
		return // then it is not known
	}
	pod, _, _ := t.pod()
	nameWhoStopped(r, j, pod)
}

// following is one mover being followed.
type following struct {
	target *Target
	// role is that of the pod that is followed; empty: the target's.
	role    string
	job     string
	waits   []plan.Wait
	collect run.Collector
	// heard is when the mover last said something or its log could not be read, wrote
	// when its last line came, and complete when its log ended with the Result; in Unix
	// nanoseconds.
	heard, wrote, complete atomic.Int64
}

// listen reads the log in the background. What it returns is closed at its end.
func (f *following) listen(ctx context.Context) <-chan struct{} {
	read := make(chan struct{})
	go func() {
		defer close(read)
		f.readLog(ctx)
		if f.collect.Ended() {
			f.complete.Store(f.target.now().UnixNano())
		}
	}()
	return read
}

// follow returns what the mover left. With an error it may go on, and was not told
// to stop.
func (f *following) follow(ctx context.Context, err error) (*result.Result, error) {
	t := f.target
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	read := f.listen(reading)

	if err == nil {
		err = f.untilEnded(ctx)
	}
	if errors.Is(err, run.ErrOutOfSight) {
		stop()
		<-read
		return nil, err
	}
	if err != nil { // told to stop
		grace := time.Duration(t.plan.Task.GracePeriod) + stopMargin
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		t.suspended = true
		t.lease.wake(stopping) // a mover that stops is no Job that runs
		if err := t.cluster.suspend(stopping, t.plan.Object.Namespace, f.job, err); err != nil {
			t.say("the mover could not be told to stop: %v", err)
		}
		_ = t.view.until(stopping, f.over)
	}
	select {
	case <-read:
	case <-time.After(logMargin):
		stop()
		<-read
	}
	return f.conclude(ctx, err), nil
}

// pod is the one that is followed.
func (f *following) pod() (*corev1.Pod, bool, error) {
	return f.target.podWith(cmp.Or(f.role, f.target.role))
}

// untilEnded waits for the mover's end, its budget or its silence.
func (f *following) untilEnded(ctx context.Context) error {
	idle, limit := f.budget(plan.WhileReporting), f.budget(plan.UntilEnded)
	bounded := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, limit, fault.New(fault.TimedOut, "the mover ran longer than %s", limit).
			WithHint(plan.LimitHint(f.target.plan.Object.Kind)))
		defer cancel()
	}
	err := f.target.view.until(bounded, func() (bool, error) {
		if silent := f.target.now().Sub(time.Unix(0, f.heard.Load())); idle > 0 && silent > idle {
			return false, fault.New(fault.TimedOut, "the mover's log has had no line for %s, and a mover that works writes one every 30 seconds", idle).
				WithHint("--idle-timeout sets the limit")
		}
		return f.seenOver()
	})
	var late *fault.Error
	if why := f.target.view.alsoUnseen(""); why != "" && errors.As(err, &late) && late.Kind == fault.TimedOut {
		return late.WithWhy("last seen: " + why)
	}
	return err
}

// budget is the time limit of a condition; 0: none.
func (f *following) budget(c plan.Condition) time.Duration {
	for _, w := range f.waits {
		if w.For == c {
			return time.Duration(w.Timeout)
		}
	}
	return 0
}

// ended reports whether the pod has ended, is gone or counts as lost.
func (f *following) ended() (bool, error) {
	pod, gone, err := f.pod()
	if err != nil || pod == nil {
		return false, err
	}
	return gone || terminated(pod) != nil || pod.Status.Phase == corev1.PodFailed || overdue(pod, f.target.now()), nil
}

// over reports whether the mover has ended by its pod or by its log, of which either
// suffices: the pod's end may never be seen.
func (f *following) over() (bool, error) {
	if ended, err := f.ended(); ended || err != nil {
		return ended, err
	}
	at := f.complete.Load()
	return at != 0 && f.target.now().Sub(time.Unix(0, at)) > logMargin, nil
}

// seenOver is over, and fails once the mover can be neither seen nor heard.
func (f *following) seenOver() (bool, error) {
	if over, err := f.over(); over || err != nil || f.complete.Load() != 0 {
		return over, err
	}
	return false, f.target.outOfSight(time.Unix(0, f.wrote.Load()))
}

// readLog reads the log until it is complete.
func (f *following) readLog(ctx context.Context) {
	t := f.target
	if err := t.view.until(ctx, func() (bool, error) {
		pod, gone, err := f.pod()
		return pod != nil && (gone || hasBegun(pod) || pod.Status.Phase == corev1.PodFailed), err
	}); err != nil {
		return
	}
	pod, _, err := f.pod()
	if err != nil {
		return
	}
	reader := logReader{
		cluster: t.cluster, namespace: pod.Namespace, pod: pod.Name,
		line: func(line string) {
			now := t.now().UnixNano()
			f.heard.Store(now)
			f.wrote.Store(now)
			f.collect.Line(line)
		},
		ended: func() bool { ended, _ := f.ended(); return ended },
		last:  f.collect.Ended,
		// What could not be heard was not silence.
		broken: func() { f.heard.Store(t.now().UnixNano()) },
	}
	reader.read(ctx)
}

// conclude makes the Result of what the mover left, and names who stopped it.
func (f *following) conclude(ctx context.Context, stop error) *result.Result {
	pod, gone, err := f.pod()
	if err != nil {
		pod = nil
	}
	r := concluded(&f.collect, pod, gone)
	switch {
	case stop != nil && ctx.Err() == nil: // a budget of this run, which the executor knows nothing of
		var f0 *fault.Error
		if r.Outcome == result.Cancelled && errors.As(stop, &f0) {
			r.Hint = f0.Hint
		}
		r = run.Settle(r, stop)
	case stop == nil:
		nameWhoStopped(r, nil, pod)
	}
	return r
}

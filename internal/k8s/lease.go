package k8s

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// renewals is how often a Lease is renewed within its duration, and how often
// somebody else's is looked at.
const renewals = 3

// lease holds a source's Lease for one run. While the mover runs it need not be
// renewed: a running Job blocks by itself.
type lease struct {
	cluster   *Cluster
	namespace string
	runID     string
	now       func() time.Time
	lost      func(error)

	mu      sync.Mutex
	held    *coordinationv1.Lease
	paused  bool
	stopped context.CancelFunc
}

func newLease(c *Cluster, p plan.Plan, now func() time.Time, lost func(error)) *lease {
	return &lease{cluster: c, namespace: p.Object.Namespace, runID: p.RunID, now: now, lost: lost, stopped: func() {}}
}

func (l *lease) client() v1.LeaseInterface {
	return l.cluster.typed.CoordinationV1().Leases(l.namespace)
}

// takeLease does the step that takes the source's Lease.
func (t *Target) takeLease(ctx context.Context, step plan.Step) error {
	object, err := t.fill(step.Object)
	if err != nil {
		return err
	}
	t.keepObject(step.ID, object)
	var wanted coordinationv1.Lease
	if err := convert(object, &wanted); err != nil {
		return err
	}
	return t.lease.take(ctx, &wanted, t.say)
}

// take makes the Lease, or takes one over whose holder is gone. It is free only
// if its renewal was observed unchanged for its duration, by this process and
// without comparing clocks, and its run's Job is absent, finished or still
// suspended.
func (l *lease) take(ctx context.Context, wanted *coordinationv1.Lease, say func(string, ...any)) error {
	for {
		held, err := l.create(ctx, wanted)
		if err != nil {
			return err
		}
		if held.Spec.HolderIdentity != nil && *held.Spec.HolderIdentity == l.runID {
			l.hold(ctx, held)
			return nil
		}
		if err := l.outlast(ctx, held, say); err != nil {
			return err
		}
		taken, err := l.takeOver(ctx, held, wanted, say)
		switch {
		case err == nil:
			l.hold(ctx, taken)
			return nil
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			// Somebody was faster: look again.
		default:
			return fault.New(fault.Failed, "take the Lease over: %w", err).At("Lease " + held.Name)
		}
	}
}

// create makes the Lease or returns the one that exists.
func (l *lease) create(ctx context.Context, wanted *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	var held *coordinationv1.Lease
	err := patiently(ctx, func(ctx context.Context) error {
		var err error
		held, err = l.client().Create(ctx, wanted, metav1.CreateOptions{FieldManager: plan.ManagedBy})
		if apierrors.IsAlreadyExists(err) {
			held, err = l.client().Get(ctx, wanted.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) { // released in between
				held, err = l.client().Create(ctx, wanted, metav1.CreateOptions{FieldManager: plan.ManagedBy})
			}
		}
		return err
	})
	if err != nil {
		kind := fault.Failed
		if apierrors.IsForbidden(err) {
			kind = fault.Refused
		}
		return nil, fault.New(kind, "take the source's Lease: %w", err).At("Lease " + wanted.Name)
	}
	return held, nil
}

// outlast returns when the Lease's holder is known to be gone, and refuses when
// it is known to live.
func (l *lease) outlast(ctx context.Context, held *coordinationv1.Lease, say func(string, ...any)) error {
	if err := l.checkJob(ctx, held); err != nil {
		return err
	}
	duration := durationOf(held)
	say("Lease %s is held by %s; watching for %s whether it still lives", held.Name, holder(held), duration)
	for began := l.now(); l.now().Sub(began) < duration; {
		if err := pause(ctx, duration/renewals); err != nil {
			return err
		}
		now, err := l.client().Get(ctx, held.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			if transient(err) {
				began = l.now() // what was not seen was not observed
				continue
			}
			return fault.New(fault.Failed, "watch the Lease: %w", err).At("Lease " + held.Name)
		}
		if now.ResourceVersion != held.ResourceVersion {
			return l.busy(now, "it has just renewed it")
		}
	}
	return l.checkJob(ctx, held)
}

// checkJob refuses while the holder's mover runs.
func (l *lease) checkJob(ctx context.Context, held *coordinationv1.Lease) error {
	jobs, err := l.cluster.typed.BatchV1().Jobs(l.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: plan.LabelRun + "=" + labelOf(held),
	})
	if err != nil {
		return fault.New(fault.Failed, "look for the Job of %s: %w", holder(held), err).At("Lease " + held.Name)
	}
	for i := range jobs.Items {
		if job := &jobs.Items[i]; !finished(job) && !suspended(job) {
			return l.busy(held, "its mover is running in Job "+job.Name)
		}
	}
	return nil
}

// busy refuses a second run of the same source, and says who is in its way.
func (l *lease) busy(held *coordinationv1.Lease, why string) error {
	id := labelOf(held)
	return fault.New(fault.Refused, "another run of this source holds it: %s; %s", holder(held), why).
		At("Lease " + held.Name).
		WithHint("kubectl volsync-kopia runs attach " + id + " -n " + l.namespace + ", or: runs cancel " + id)
}

// takeOver writes this run into the Lease of a dead one. Its old owner goes: the
// Lease must not go with a Job that is not this run's.
func (l *lease) takeOver(ctx context.Context, held, wanted *coordinationv1.Lease, say func(string, ...any)) (*coordinationv1.Lease, error) {
	if err := l.removeDead(ctx, held, say); err != nil {
		return nil, err
	}
	taken := held.DeepCopy()
	taken.Labels, taken.Annotations, taken.Spec, taken.OwnerReferences = wanted.Labels, wanted.Annotations, wanted.Spec, nil
	return l.client().Update(ctx, taken, metav1.UpdateOptions{FieldManager: plan.ManagedBy})
}

// removeDead ends the run of a dead holder: a mover that never started goes with
// all that its Job owns, one that has ended is collected.
func (l *lease) removeDead(ctx context.Context, held *coordinationv1.Lease, say func(string, ...any)) error {
	runs, err := l.cluster.Runs(ctx, l.namespace)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.ID != labelOf(held) {
			continue
		}
		if err := l.cluster.bury(ctx, r, l.now, say); err != nil {
			return err
		}
	}
	return nil
}

// hold begins to renew a Lease that this run has.
func (l *lease) hold(ctx context.Context, held *coordinationv1.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stopped = stop
	go l.renew(renewing, durationOf(held)/renewals)
}

// renew renews until it is stopped.
func (l *lease) renew(ctx context.Context, every time.Duration) {
	for pause(ctx, every) == nil {
		if err := l.renewOnce(ctx); err != nil {
			l.lost(err)
			return
		}
	}
}

// renewOnce writes the Lease again. A request that fails is no loss yet: only
// somebody else in it, or its absence, is.
func (l *lease) renewOnce(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || l.paused {
		return nil
	}
	return l.write(ctx, func(*coordinationv1.Lease) {})
}

// write changes and renews the Lease. The caller holds the mutex.
func (l *lease) write(ctx context.Context, change func(*coordinationv1.Lease)) error {
	wanted := l.held.DeepCopy()
	now := metav1.NewMicroTime(l.now())
	wanted.Spec.RenewTime = &now
	change(wanted)
	got, err := l.client().Update(ctx, wanted, metav1.UpdateOptions{FieldManager: plan.ManagedBy})
	if apierrors.IsConflict(err) {
		// An answer was lost, or the Lease is somebody else's by now.
		if got, err = l.client().Get(ctx, wanted.Name, metav1.GetOptions{}); err == nil && labelOf(got) == l.runID {
			l.held = got
			wanted = got.DeepCopy()
			change(wanted)
			got, err = l.client().Update(ctx, wanted, metav1.UpdateOptions{FieldManager: plan.ManagedBy})
		}
	}
	switch {
	case err == nil && labelOf(got) == l.runID:
		l.held = got
		return nil
	case err == nil:
		return fault.New(fault.Refused, "the Lease was taken over by %s", holder(got)).At("Lease " + wanted.Name)
	case apierrors.IsNotFound(err):
		return fault.New(fault.Refused, "the Lease of this run was deleted").At("Lease " + wanted.Name)
	}
	return nil
}

// adopt makes owner the Lease's owner.
func (l *lease) adopt(ctx context.Context, owner metav1.OwnerReference) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return fault.New(fault.Failed, "the Lease is not held")
	}
	owned := func(h *coordinationv1.Lease) { h.OwnerReferences = []metav1.OwnerReference{owner} }
	return patiently(ctx, func(ctx context.Context) error {
		if err := l.write(ctx, owned); err != nil {
			return err
		}
		if len(l.held.OwnerReferences) == 0 {
			return apierrors.NewServiceUnavailable("the Lease could not be written")
		}
		return nil
	})
}

// rest stops the renewal while the mover runs; wake renews at once and goes on.
func (l *lease) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = true
}

func (l *lease) wake(ctx context.Context) {
	l.mu.Lock()
	l.paused = false
	l.mu.Unlock()
	if err := l.renewOnce(ctx); err != nil {
		l.lost(err)
	}
}

// detach leaves the Lease to the Job, which blocks while it runs: nobody renews
// it from now on, and nobody needs to wait long to see that.
func (l *lease) detach(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped()
	return l.write(ctx, func(h *coordinationv1.Lease) { h.Spec.LeaseDurationSeconds = ptr(int32(1)) })
}

// stop ends the renewal and leaves the Lease.
func (l *lease) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped()
}

// release gives the Lease back by deleting it, if this run still holds it.
func (l *lease) release(ctx context.Context) error {
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	held := l.held
	err := patiently(ctx, func(ctx context.Context) error {
		return l.client().Delete(ctx, held.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &held.UID, ResourceVersion: &held.ResourceVersion},
		})
	})
	if err == nil || apierrors.IsNotFound(err) {
		l.held = nil
		return nil
	}
	if apierrors.IsConflict(err) {
		now, getErr := l.client().Get(ctx, held.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(getErr) || getErr == nil && labelOf(now) != l.runID {
			l.held = nil
			return nil
		}
	}
	return fault.New(fault.Leftover, "release the Lease: %w", err).At("Lease " + held.Name)
}

// holder names who holds a Lease, as far as it says.
func holder(l *coordinationv1.Lease) string {
	text := "run " + labelOf(l)
	if who := l.Annotations[plan.AnnotationHolder]; who != "" {
		text += " of " + who
	}
	return text
}

// labelOf is the id of the run that holds the Lease.
func labelOf(l *coordinationv1.Lease) string {
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

func durationOf(l *coordinationv1.Lease) time.Duration {
	if l.Spec.LeaseDurationSeconds == nil {
		return time.Minute
	}
	return time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
}

// pause waits, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	}
}

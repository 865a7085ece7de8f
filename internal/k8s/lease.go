package k8s

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// renewals is how often a Lease is renewed within its duration, and how often
// somebody else's is looked at.
const renewals = 3

// lease holds a source's Lease for one run, or for who ends a dead one. While the
// mover runs it need not be renewed: a running Job blocks by itself.
type lease struct {
	cluster   *Cluster
	namespace string
	object    result.ObjectRef
	runID     string
	now       func() time.Time
	lost      func(error)

	mu     sync.Mutex
	held   *coordinationv1.Lease
	paused bool
	// unanswered names a Lease that this run may have made or taken; empty: it knows.
	unanswered string
	stopped    context.CancelFunc
}

func newLease(c *Cluster, p plan.Plan, now func() time.Time, lost func(error)) *lease {
	return &lease{cluster: c, namespace: p.Object.Namespace, object: p.Object, runID: p.RunID, now: now, lost: lost, stopped: func() {}}
}

func (l *lease) client() v1.LeaseInterface {
	return l.cluster.typed.CoordinationV1().Leases(l.namespace)
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

// renewOnce writes the Lease again. A request that fails is no loss yet.
func (l *lease) renewOnce(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || l.paused {
		return nil
	}
	if err := l.write(ctx, func(*coordinationv1.Lease) {}); isLoss(err) {
		return err
	}
	return nil
}

// isLoss reports whether an error of write is its own, that the Lease is lost: only
// somebody else in it, or its absence, is a loss.
func isLoss(err error) bool {
	var lost *fault.Error
	return errors.As(err, &lost)
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
	return err
}

// adopt makes owner the Lease's owner. It is tried again unless somebody says why not.
func (l *lease) adopt(ctx context.Context, owner metav1.OwnerReference) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return fault.New(fault.Failed, "the Lease is not held")
	}
	owned := func(h *coordinationv1.Lease) { h.OwnerReferences = []metav1.OwnerReference{owner} }
	again := func(err error) bool { return !isLoss(err) && (apierrors.IsConflict(err) || !isAnswer(err)) }
	err := retrying(ctx, again, func(ctx context.Context) error { return l.write(ctx, owned) })
	if err != nil && !isLoss(err) {
		return cannot(err, "make it go with the run's Job").At("Lease " + l.held.Name)
	}
	return err
}

// rest stops the renewal while the mover runs and is followed; wake renews at once and goes on.
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
	if err := l.findUnanswered(ctx); err != nil || l.held == nil {
		return err
	}
	name := l.held.Name
	err := patiently(ctx, func(ctx context.Context) error {
		err := l.cluster.deleteLease(ctx, l.held)
		if !apierrors.IsConflict(err) {
			return err
		}
		// The answer to a renewal was lost, or the Lease is somebody else's by now.
		now, err := l.client().Get(ctx, name, metav1.GetOptions{})
		if err != nil || labelOf(now) != l.runID {
			return err
		}
		l.held = now
		return l.cluster.deleteLease(ctx, now)
	})
	if err == nil || apierrors.IsNotFound(err) {
		l.held = nil
		return nil
	}
	return fault.New(fault.Leftover, "release the Lease: %w", err).At("Lease " + l.namespace + "/" + name)
}

// releaseAfter is release for a command that may have been cancelled.
func (l *lease) releaseAfter(ctx context.Context) error {
	releasing, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), giveBackTimeout, fmt.Errorf("waited %s", giveBackTimeout))
	defer cancel()
	return l.release(releasing)
}

// findUnanswered finds the Lease that was asked for without an answer, if this run has it.
// The caller holds the mutex.
func (l *lease) findUnanswered(ctx context.Context) error {
	if l.unanswered == "" {
		return nil
	}
	var found *coordinationv1.Lease
	err := patiently(ctx, func(ctx context.Context) error {
		var err error
		found, err = l.client().Get(ctx, l.unanswered, metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fault.New(fault.Leftover, "see whether it was taken: %w", err).At("Lease " + l.namespace + "/" + l.unanswered)
	case labelOf(found) == l.runID:
		l.held = found
	}
	l.unanswered = ""
	return nil
}

// deleteLease deletes a Lease that has not changed since it was read.
func (c *Cluster) deleteLease(ctx context.Context, l *coordinationv1.Lease) error {
	return c.typed.CoordinationV1().Leases(l.Namespace).Delete(ctx, l.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion},
	})
}

// labelOf is the id of the run that holds the Lease.
func labelOf(l *coordinationv1.Lease) string {
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// longestLease bounds what a Lease may say of its duration. This program's own say 15
// seconds, or one; what another version may write is within a minute, and who writes
// more must not make others wait as long as that.
const longestLease = time.Minute

// durationOf is how long a Lease holds without being renewed.
func durationOf(l *coordinationv1.Lease) time.Duration {
	if l.Spec.LeaseDurationSeconds == nil {
		return longestLease
	}
	return min(time.Duration(*l.Spec.LeaseDurationSeconds)*time.Second, longestLease)
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

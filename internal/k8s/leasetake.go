package k8s

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

const (
	// collectorPatience is how long a run waits for somebody who ends a dead run of
	// its source: a hook and a question to the repository take their time.
	collectorPatience = 10 * time.Minute
	// giveBackTimeout bounds giving a Lease back that was taken in vain, or that its
	// command, which may have been cancelled, needs no more.
	giveBackTimeout = 30 * time.Second
)

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
// without comparing clocks, and no mover of the source runs. Dead runs of the
// source are ended once the Lease is this run's, so that nobody else does it too.
func (l *lease) take(ctx context.Context, wanted *coordinationv1.Lease, say func(string, ...any)) error {
	for {
		held, err := l.create(ctx, wanted)
		if err != nil {
			return cannotTake(err, wanted.Name)
		}
		if labelOf(held) == l.runID {
			l.hold(ctx, held)
			return l.endLeaseless(ctx, say)
		}
		if held, err = l.outlast(ctx, held, say); err != nil {
			return err
		}
		err = l.seize(ctx, held, wanted)
		switch {
		case err == nil:
			if err := l.endDead(ctx, labelOf(held), say); err != nil {
				l.giveBack(ctx, held)
				return fault.New(fault.KindOf(err), "take the Lease over: %w", err).At("Lease " + held.Name)
			}
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
		ctx, answered := answering(ctx)
		defer answered()
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
	l.noteUnanswered(wanted.Name, err)
	return held, err
}

// cannotTake is the fault of a Lease that could not be made.
func cannotTake(err error, name string) error {
	kind := fault.Failed
	if apierrors.IsForbidden(err) {
		kind = fault.Refused
	}
	return fault.New(kind, "take the object's Lease: %w", err).At("Lease " + name)
}

// noteUnanswered keeps the name of a Lease of which it is not known whether this run has
// it: err is what came of the request.
func (l *lease) noteUnanswered(name string, err error) {
	if err != nil && !isAnswer(err) {
		l.unanswered = name
	}
}

// outlast returns the Lease when its holder is known to be gone, and refuses when
// it is known to live. Somebody who ends a dead run is waited for: that is in this
// run's interest, too.
func (l *lease) outlast(ctx context.Context, held *coordinationv1.Lease, say func(string, ...any)) (*coordinationv1.Lease, error) {
	if err := l.checkMovers(ctx, held); err != nil {
		return nil, err
	}
	duration := durationOf(held)
	say("Lease %s is held by %s; watching for %s whether it still lives", held.Name, holder(held), duration)
	arrived := l.now()
	for began := arrived; l.now().Sub(began) < duration; {
		if err := pause(ctx, duration/renewals); err != nil {
			return nil, err
		}
		var now *coordinationv1.Lease
		unseen := false
		err := patiently(ctx, func(ctx context.Context) error {
			var err error
			now, err = l.client().Get(ctx, held.Name, metav1.GetOptions{})
			unseen = unseen || err != nil
			return err
		})
		switch {
		case apierrors.IsNotFound(err):
			return held, nil
		case err != nil:
			return nil, cannot(err, "watch the Lease").At("Lease " + held.Name)
		case now.ResourceVersion == held.ResourceVersion && unseen:
			began = l.now() // what was not seen was not observed
		case now.ResourceVersion == held.ResourceVersion:
		case isCollector(now) && l.now().Sub(arrived) < collectorPatience:
			held, began = now, l.now()
		default:
			return nil, l.busy(now, labelOf(now), "it has just renewed it")
		}
	}
	return held, l.checkMovers(ctx, held)
}

// checkMovers refuses while a mover of the source runs.
func (l *lease) checkMovers(ctx context.Context, held *coordinationv1.Lease) error {
	runs, err := l.cluster.runsOf(ctx, l.object)
	if err != nil {
		return fault.New(fault.Failed, "look for the mover of %s: %w", holder(held), err).At("Lease " + held.Name)
	}
	for _, r := range runs {
		if r.busy(l.now()) {
			return l.busy(held, r.ID, "its mover is running in Job "+r.job.Name)
		}
	}
	return nil
}

// busy refuses a second run of the same source, and says who is in its way.
func (l *lease) busy(held *coordinationv1.Lease, id, why string) error {
	f := fault.New(fault.Refused, "another run of this source holds it: %s; %s", holder(held), why).At("Lease " + held.Name)
	if isCollector(held) {
		return f.WithHint("run it again when that command has ended")
	}
	return f.WithHint(l.followOrCancel(id))
}

// followOrCancel is what can be done about a run that is in the way.
func (l *lease) followOrCancel(id string) string {
	return "kubectl volsync-kopia runs attach " + id + " -n " + l.namespace + ", or: runs cancel " + id
}

// seize writes this run into the Lease of a dead one, if that has not changed, and
// begins to renew it. Its old owner goes: the Lease must not go with a Job that is
// not this run's. A conflict may be with this run itself, to which the first answer was
// lost.
func (l *lease) seize(ctx context.Context, held, wanted *coordinationv1.Lease) error {
	next := held.DeepCopy()
	next.Labels, next.Annotations, next.Spec, next.OwnerReferences = wanted.Labels, wanted.Annotations, wanted.Spec, nil
	var taken *coordinationv1.Lease
	err := patiently(ctx, func(ctx context.Context) error {
		ctx, answered := answering(ctx)
		defer answered()
		var err error
		taken, err = l.client().Update(ctx, next, metav1.UpdateOptions{FieldManager: plan.ManagedBy})
		if !apierrors.IsConflict(err) {
			return err
		}
		now, getErr := l.client().Get(ctx, held.Name, metav1.GetOptions{})
		switch {
		case getErr != nil:
			return getErr
		case labelOf(now) != l.runID:
			return err
		}
		taken = now
		return nil
	})
	if err != nil {
		l.noteUnanswered(held.Name, err)
		return err
	}
	l.hold(ctx, taken)
	return nil
}

// endDead ends the source's dead runs: a mover that never started goes with all
// that its Job owns, one that has ended is collected. Of the run that held the Lease
// something may be left even so. That an outcome could not be written keeps no later
// run from its work: the Job says it still.
func (l *lease) endDead(ctx context.Context, holder string, say func(string, ...any)) error {
	runs, err := l.cluster.runsOf(ctx, l.object)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.ID == l.runID || r.State == RunCollected && r.ID != holder {
			continue
		}
		unwritten, err := l.cluster.bury(ctx, r, nil, l.now, say)
		if err != nil {
			return err
		}
		if unwritten != nil {
			say("the outcome of run %s is not written: %v", r.ID, unwritten)
		}
	}
	return nil
}

// endLeaseless does for a Lease that was free what outlast and endDead do for one
// that was not: a run of the source may be there although its Lease is gone. Somebody
// may have deleted that, and a command gives it back with a mover that would not end.
func (l *lease) endLeaseless(ctx context.Context, say func(string, ...any)) error {
	there, err := l.cluster.uncollected(ctx, l.object)
	if err == nil && there {
		if err = l.checkLeaseless(ctx); err == nil {
			err = l.endDead(ctx, "", say)
		}
	}
	if err != nil {
		return errors.Join(err, l.releaseAfter(ctx))
	}
	return nil
}

// checkLeaseless refuses while a mover of the source runs that holds no Lease.
func (l *lease) checkLeaseless(ctx context.Context) error {
	runs, err := l.cluster.runsOf(ctx, l.object)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.ID != l.runID && r.busy(l.now()) {
			return fault.New(fault.Refused, "run %s of this source holds no Lease, and its mover is running", r.ID).At("Job " + r.job.Name).
				WithHint(l.followOrCancel(r.ID))
		}
	}
	return nil
}

// giveBack writes the dead run into the Lease again, so that whoever comes next
// knows what is to be ended.
func (l *lease) giveBack(ctx context.Context, dead *coordinationv1.Lease) {
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return
	}
	giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	back := l.held.DeepCopy()
	back.Labels, back.Annotations, back.Spec, back.OwnerReferences = dead.Labels, dead.Annotations, dead.Spec, dead.OwnerReferences
	// If not, then the Lease is this run's until nobody renews it.
	_, _ = l.client().Update(giving, back, metav1.UpdateOptions{FieldManager: plan.ManagedBy})
	l.held = nil
}

// holder names who holds a Lease, as far as it says.
func holder(l *coordinationv1.Lease) string {
	text := "run " + labelOf(l)
	if isCollector(l) {
		text = fmt.Sprintf("a command that ends run %s, which is dead", l.Labels[plan.LabelRun])
	}
	if who := l.Annotations[plan.AnnotationHolder]; who != "" {
		text += " of " + who
	}
	return text
}

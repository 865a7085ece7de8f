package k8s

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// collectorPrefix begins the identity of who holds a Lease only to end a dead run.
const collectorPrefix = "collector-"

// collectorSeconds is how long such a Lease may go without renewal.
const collectorSeconds = 15

func isCollector(l *coordinationv1.Lease) bool { return strings.HasPrefix(labelOf(l), collectorPrefix) }

// Bury ends one dead run that Remains has found, holding its source's Lease so that
// nobody else ends it too, and then gives the Lease back. Somebody who was faster is
// no error. say tells people what is done in the application and the repository.
func (c *Cluster) Bury(ctx context.Context, r Run, now func() time.Time, say func(string, ...any)) error {
	return c.buryAs(ctx, r, nil, now, say)
}

// buryAs is Bury for a run whose Result is known already, if it is.
func (c *Cluster) buryAs(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	l := &lease{
		cluster: c, namespace: r.Object.Namespace, object: r.Object, runID: collectorPrefix + strings.ToLower(rand.Text()[:8]),
		now: now, lost: lost, stopped: func() {},
	}
	mine, err := l.collect(ctx, r)
	if err != nil {
		return errors.Join(err, l.releaseAfter(ctx))
	}
	if !mine {
		return nil
	}
	current, err := c.FindRun(ctx, r.Object.Namespace, r.ID)
	switch {
	case fault.KindOf(err) == fault.Refused && !apierrors.IsForbidden(err), current.State == RunCollected && r.State != RunCollected, err == nil && current.busy(now()):
		return l.releaseAfter(ctx) // somebody has ended it, or it lives after all
	case err != nil:
		return errors.Join(err, l.releaseAfter(ctx))
	}
	unwritten, err := c.bury(ctx, current, res, now, say)
	if err != nil && r.lease != nil {
		l.giveBack(ctx, r.lease)
		return errors.Join(unwritten, err)
	}
	return errors.Join(unwritten, err, l.releaseAfter(ctx))
}

// collect takes the Lease of a dead run's source; false: somebody was faster.
func (l *lease) collect(ctx context.Context, r Run) (mine bool, err error) {
	at, seconds := metav1.NewMicroTime(l.now()), int32(collectorSeconds)
	wanted := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: plan.Name(plan.RunsOf(r.Object.Kind), r.Object, ""), Namespace: l.namespace,
			Labels: map[string]string{
				plan.LabelManagedBy: plan.ManagedBy, plan.LabelSource: plan.SourceLabel(r.Object), plan.LabelRole: plan.RoleLease, plan.LabelRun: r.ID,
			},
			Annotations: map[string]string{plan.AnnotationObject: r.Object.String()},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &l.runID, LeaseDurationSeconds: &seconds, AcquireTime: &at, RenewTime: &at},
	}
	if r.lease != nil {
		err = l.seize(ctx, r.lease, wanted)
	} else {
		var held *coordinationv1.Lease
		held, err = l.create(ctx, wanted)
		switch {
		case err != nil:
		case labelOf(held) != l.runID:
			return false, nil
		default:
			l.hold(ctx, held)
		}
	}
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err): // or made in between
		return false, nil
	}
	return false, fault.New(fault.Leftover, "take the Lease of run %s, which is dead: %w", r.ID, err).At("Lease " + l.namespace + "/" + wanted.Name)
}

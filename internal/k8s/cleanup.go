package k8s

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// Remains are what dead runs left in a namespace.
type Remains struct {
	// Runs are dead: their command is gone, their mover never started or has ended.
	Runs []Run
	// Leases are of dead runs that have no Job, or one that was collected.
	Leases []coordinationv1.Lease
}

// Remains finds what dead runs left. A run is dead when its Lease is not renewed
// while this process looks on, for as long as the Lease says; a mover that runs
// is never dead.
func (c *Cluster) Remains(ctx context.Context, namespace string) (Remains, error) {
	runs, err := c.Runs(ctx, namespace)
	if err != nil {
		return Remains{}, err
	}
	alive, leases, err := c.renewing(ctx, namespace)
	if err != nil {
		return Remains{}, err
	}
	var found Remains
	needed := map[string]bool{} // Leases of runs that are not over
	for _, r := range runs {
		needed[r.ID] = r.State != RunCollected
		if r.State != RunRunning && r.State != RunCollected && !alive[r.ID] {
			found.Runs = append(found.Runs, r)
		}
	}
	for i := range leases {
		if id := labelOf(&leases[i]); !needed[id] && !alive[id] {
			found.Leases = append(found.Leases, leases[i])
		}
	}
	return found, nil
}

// renewing watches the Leases for the longest of their durations and returns
// which runs have renewed theirs meanwhile, and the Leases themselves.
func (c *Cluster) renewing(ctx context.Context, namespace string) (map[string]bool, []coordinationv1.Lease, error) {
	ours := metav1.ListOptions{LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy}
	before, err := c.typed.CoordinationV1().Leases(namespace).List(ctx, ours)
	if err != nil {
		return nil, nil, fault.New(fault.Failed, "list the Leases: %w", err)
	}
	var longest time.Duration
	versions := map[string]string{}
	for i := range before.Items {
		longest = max(longest, durationOf(&before.Items[i]))
		versions[string(before.Items[i].UID)] = before.Items[i].ResourceVersion
	}
	if len(before.Items) == 0 {
		return nil, nil, nil
	}
	if err := pause(ctx, longest); err != nil {
		return nil, nil, err
	}
	after, err := c.typed.CoordinationV1().Leases(namespace).List(ctx, ours)
	if err != nil {
		return nil, nil, fault.New(fault.Failed, "list the Leases again: %w", err)
	}
	alive := map[string]bool{}
	for i := range after.Items {
		if l := &after.Items[i]; versions[string(l.UID)] != l.ResourceVersion {
			alive[labelOf(l)] = true
		}
	}
	return alive, after.Items, nil
}

// bury ends one dead run: a finished one is collected, one that never started is
// deleted with all that its Job owns, which is then seen gone.
func (c *Cluster) bury(ctx context.Context, r Run, now func() time.Time, say func(string, ...any)) error {
	switch r.State {
	case RunFinished, RunCancelled:
		_, err := c.Collect(ctx, r, now, say)
		return err
	case RunPrepared:
		_, due := c.endDeadHook(ctx, r, now, say)
		if err := errors.Join(c.removeCopies(ctx, r), due); err != nil {
			return err
		}
		return c.deleteJob(ctx, r.job)
	case RunCollected:
		return c.removeCopies(ctx, r)
	case RunRunning:
	}
	return fault.New(fault.Refused, "its mover is running").At("Job " + r.job.Name)
}

// ReleaseDead deletes the Lease of a dead run, unless it has changed since.
func (c *Cluster) ReleaseDead(ctx context.Context, l *coordinationv1.Lease) error {
	err := c.typed.CoordinationV1().Leases(l.Namespace).Delete(ctx, l.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Bury ends one dead run and gives its Lease back. say tells people of an after
// hook that the run has left undone and that is run in the application.
func (c *Cluster) Bury(ctx context.Context, r Run, now func() time.Time, say func(string, ...any)) error {
	if err := c.bury(ctx, r, now, say); err != nil {
		return err
	}
	return c.releaseOf(ctx, r)
}

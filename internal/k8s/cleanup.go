package k8s

import (
	"context"
	"errors"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Remains are what dead runs left in a namespace.
type Remains struct {
	// Runs are dead: their command is gone, their mover never started or has ended. Of
	// those that were collected they are the ones whose copy, or whose question to the
	// repository, could not be removed.
	Runs []Run
	// Leases are of dead runs that have no Job, or one that was collected.
	Leases []coordinationv1.Lease
	// Probes are the Jobs of plan --connect that have ended.
	Probes []batchv1.Job
	// Copies are claims and snapshots, the claims first, whose run has no Job any
	// more. They go with it, but for what refuses or holds their deletion.
	Copies []*unstructured.Unstructured
}

// Remains finds what dead runs left. A run is dead when its Lease is not renewed
// while this process looks on, for as long as the Lease says. A mover that runs or
// stops is never dead, and the other runs of its source are left to it.
func (c *Cluster) Remains(ctx context.Context, namespace string, now func() time.Time) (Remains, error) {
	copies, err := c.copies(ctx, namespace, plan.LabelManagedBy+"="+plan.ManagedBy+","+plan.LabelRole+"="+plan.RoleCopy, nil)
	if err != nil {
		return Remains{}, err
	}
	runs, err := c.Runs(ctx, namespace) // after the copies: a Job is older than what it owns
	if err != nil {
		return Remains{}, err
	}
	alive, leases, err := c.renewing(ctx, namespace)
	if err != nil {
		return Remains{}, err
	}
	questions, err := c.questions(ctx, namespace) // after the runs: who collects one has removed its question
	if err != nil {
		return Remains{}, err
	}
	held := map[string]*coordinationv1.Lease{}
	for i := range leases {
		held[leases[i].Namespace+"/"+leases[i].Name] = &leases[i]
	}
	taken := map[string]bool{}  // sources that a living run holds
	needed := map[string]bool{} // Leases of runs that are not over
	for i := range runs {
		r := &runs[i]
		r.lease = held[r.leaseKey()]
		living := alive[r.ID] || r.busy(now()) || r.lease != nil && alive[labelOf(r.lease)]
		taken[r.leaseKey()] = taken[r.leaseKey()] || living
		needed[r.ID] = r.State != RunCollected
	}
	found := Remains{Probes: deadProbes(questions, now()), Copies: withoutRun(copies, runs)}
	for _, r := range runs {
		r.copies, r.asks = copiesOf(r.ID, copies), asksFor(r.ID, questions)
		if !taken[r.leaseKey()] && (r.State != RunCollected || r.leftSomething()) {
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

// leftSomething reports whether a copy of a run that was collected is left or its
// question to the repository, or its Job waits for a copy to be removed.
func (r Run) leftSomething() bool {
	return r.asks || len(r.copies) > 0 || r.job.Spec.TTLSecondsAfterFinished == nil && r.job.DeletionTimestamp == nil
}

// leaseKey is the namespace and name of the source's Lease.
func (r Run) leaseKey() string {
	return r.Object.Namespace + "/" + plan.Name(plan.RunsOf(r.Object.Kind), r.Object, "")
}

// renewing watches the Leases for the longest of their durations and returns
// which runs have renewed theirs meanwhile, and the Leases themselves.
func (c *Cluster) renewing(ctx context.Context, namespace string) (map[string]bool, []coordinationv1.Lease, error) {
	ours := metav1.ListOptions{LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy}
	before, err := listed(ctx, c.typed.CoordinationV1().Leases(namespace).List, ours)
	if err != nil {
		return nil, nil, cannotList(err, namespace, "list the Leases")
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
	after, err := listed(ctx, c.typed.CoordinationV1().Leases(namespace).List, ours)
	if err != nil {
		return nil, nil, cannotList(err, namespace, "list the Leases again")
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
// deleted with all that its Job owns, which is then seen gone. res is the run's
// Result where it is known already. unwritten says what could not be written of its
// outcome, which the Job then keeps; err what keeps the run from being ended.
func (c *Cluster) bury(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) (unwritten, err error) {
	switch {
	case r.State == RunPrepared:
		_, due := c.endDeadHook(ctx, r, now, say)
		if err := errors.Join(c.removeCopies(ctx, r, now()), due); err != nil {
			return nil, err
		}
		return nil, c.deleteJob(ctx, r.job)
	case r.State == RunCollected:
		if err := c.removeCopies(ctx, r, now()); err != nil || r.job.Spec.TTLSecondsAfterFinished != nil {
			return nil, err
		}
		return nil, c.keepCollected(ctx, r, r.Result)
	case r.lost(now()):
		say("run %s: node %s has not said for %s that its mover, which was told to stop, has ended; it counts as lost", r.ID, r.pod.Spec.NodeName, lostAfter)
	case r.busy(now()):
		return nil, fault.New(fault.Refused, "its mover is running").At("Job " + r.job.Name)
	case r.State == RunRunning: // and cannot start
		if res, err = c.stopStuck(ctx, r, now); err != nil {
			return nil, err
		}
		if r, err = c.FindRun(ctx, r.Object.Namespace, r.ID); err != nil {
			return nil, err
		}
	}
	return c.collect(ctx, r, res, now, say)
}

// ReleaseDead deletes the Lease of a dead run; released is false for one that has
// changed since, for whoever has written it lives, and for one that is gone.
func (c *Cluster) ReleaseDead(ctx context.Context, l *coordinationv1.Lease) (released bool, err error) {
	err = c.deleteLease(ctx, l)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

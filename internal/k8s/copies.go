package k8s

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// copies lists the claims and then the snapshots that a selector chooses. One kind
// that cannot be listed does not hide the other.
func (c *Cluster) copies(ctx context.Context, namespace, selector string) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	var errs []error
	for _, kind := range []string{"PersistentVolumeClaim", "VolumeSnapshot"} {
		objects, err := c.objects(kind, namespace)
		if err != nil {
			return nil, err
		}
		list, err := listed(ctx, objects.List, metav1.ListOptions{LabelSelector: selector})
		if apierrors.IsNotFound(err) { // without the snapshot API there are none
			continue
		}
		if err != nil {
			errs = append(errs, cannot(err, "list the copies of runs"))
			continue
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return found, errors.Join(errs...)
}

// copiesOf are those of the run.
func copiesOf(runID string, copies []*unstructured.Unstructured) []*unstructured.Unstructured {
	var own []*unstructured.Unstructured
	for _, o := range copies {
		if o.GetLabels()[plan.LabelRun] == runID {
			own = append(own, o)
		}
	}
	return own
}

// withoutRun are the copies whose run is none of those that have a Job.
func withoutRun(copies []*unstructured.Unstructured, runs []Run) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(copies), func(o *unstructured.Unstructured) bool {
		return slices.ContainsFunc(runs, func(r Run) bool { return r.ID == o.GetLabels()[plan.LabelRun] })
	})
}

// RemoveCopies deletes the claims and snapshots of runs that have no Job any more,
// and sees them gone.
func (c *Cluster) RemoveCopies(ctx context.Context, copies []*unstructured.Unstructured) error {
	_, err := c.removeInOrder(ctx, copies, nil, c.seeGone)
	return err
}

// removeCopies deletes the Job that has asked the repository, should its command
// have died, and the copy's claim and snapshot, in this order, and sees them gone.
// All of a run's objects carry its label. While a pod names a claim Kubernetes keeps
// it, so the pod goes first if there is one; that of a mover that is lost goes without
// its kubelet's word, which does not come.
func (c *Cluster) removeCopies(ctx context.Context, r Run, now time.Time) error {
	errs := []error{c.removeQuestion(ctx, r)}
	copies, err := c.copies(ctx, r.Object.Namespace, plan.LabelRun+"="+r.ID)
	if err != nil {
		errs = append(errs, fault.New(fault.Leftover, "run %s: %w", r.ID, err))
	}
	switch {
	case r.lost(now):
		errs = append(errs, c.forgetPod(ctx, r.pod))
	case slices.ContainsFunc(copies, func(o *unstructured.Unstructured) bool { return o.GetKind() == "PersistentVolumeClaim" }):
		errs = append(errs, c.removePods(ctx, r))
	}
	_, err = c.removeInOrder(ctx, copies, nil, c.seeGone)
	return errors.Join(append(errs, err)...)
}

// removeQuestion deletes the Job that has asked the repository for the run.
func (c *Cluster) removeQuestion(ctx context.Context, r Run) error {
	jobs, err := listed(ctx, c.typed.BatchV1().Jobs(r.Object.Namespace).List, metav1.ListOptions{
		LabelSelector: plan.LabelRun + "=" + r.ID + "," + plan.LabelRole + "=" + plan.RoleAsk,
	})
	if err != nil {
		return fault.New(fault.Leftover, "look for the question of run %s: %w", r.ID, err)
	}
	var errs []error
	for i := range jobs.Items {
		errs = append(errs, c.deleteJob(ctx, &jobs.Items[i]))
	}
	return errors.Join(errs...)
}

// removePods deletes the run's pods and sees them gone.
func (c *Cluster) removePods(ctx context.Context, r Run) error {
	pods, err := c.objects("Pod", r.Object.Namespace)
	if err != nil {
		return err
	}
	list, err := listed(ctx, pods.List, metav1.ListOptions{LabelSelector: plan.LabelRun + "=" + r.ID})
	if err != nil {
		return fault.New(fault.Leftover, "look for the pod of run %s: %w", r.ID, err)
	}
	var errs []error
	for i := range list.Items {
		errs = append(errs, c.deleteAndSee(ctx, &list.Items[i]))
	}
	return errors.Join(errs...)
}

package k8s

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// copies lists the claims and then the snapshots that a selector chooses. One kind
// that cannot be listed does not hide the other. none reports, after what was found
// before, that there are none of a kind, which then need not be listed by who may not;
// nil: nobody knows.
func (c *Cluster) copies(
	ctx context.Context, namespace, selector string, none func(kind string, found []*unstructured.Unstructured) bool,
) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	var errs []error
	for _, kind := range []string{"PersistentVolumeClaim", "VolumeSnapshot"} {
		objects, err := c.objects(kind, namespace)
		if err != nil {
			return nil, err
		}
		list, err := listed(ctx, objects.List, metav1.ListOptions{LabelSelector: selector})
		switch {
		case apierrors.IsNotFound(err): // without the snapshot API there are none
			continue
		case apierrors.IsForbidden(err) && none != nil && none(kind, found):
			continue
		case err != nil:
			errs = append(errs, cannotList(err, namespace, "list the copies of runs"))
			continue
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return found, errors.Join(errs...)
}

// madeNone reports whether the run has made no copy of a kind, as far as its Job says,
// which names the copy's claim, and that claim, which names what it was made from. A
// run needs no right to what it does not make, nor does who ends it.
func (r Run) madeNone(kind string, claims []*unstructured.Unstructured) bool {
	copied := slices.ContainsFunc(r.job.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == r.job.Name
	})
	cloned := slices.ContainsFunc(claims, func(o *unstructured.Unstructured) bool {
		from, _, _ := unstructured.NestedString(o.Object, "spec", "dataSource", "kind")
		return from == "PersistentVolumeClaim"
	})
	return !copied || kind == "VolumeSnapshot" && cloned
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
	copies, err := c.copies(ctx, r.Object.Namespace, plan.LabelRun+"="+r.ID, r.madeNone)
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

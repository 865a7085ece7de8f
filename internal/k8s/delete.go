package k8s

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// goneInterval is how often a thing that is not watched is looked for.
const goneInterval = 300 * time.Millisecond

// delete deletes one object, and only that one: another of its name stays.
func (c *Cluster) delete(ctx context.Context, o *unstructured.Unstructured, how metav1.DeletionPropagation) error {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return err
	}
	uid := o.GetUID()
	err = patiently(ctx, func(ctx context.Context) error {
		return client.Delete(ctx, o.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &how})
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fault.New(fault.Leftover, "delete it: %w", err).At(named(o))
}

// seeGone asks until an object that was deleted no longer exists.
func (c *Cluster) seeGone(ctx context.Context, o *unstructured.Unstructured) error {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return err
	}
	return stillThere(o, untilNotFound(ctx, func(ctx context.Context) error {
		found, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err == nil && found.GetUID() != o.GetUID() { // another of its name
			return apierrors.NewNotFound(batchv1.Resource(o.GetKind()), o.GetName())
		}
		return err
	}))
}

// deleteAndSee deletes an object and sees it gone.
func (c *Cluster) deleteAndSee(ctx context.Context, o *unstructured.Unstructured) error {
	if err := c.delete(ctx, o, metav1.DeletePropagationBackground); err != nil {
		return err
	}
	return c.seeGone(ctx, o)
}

// deleteJob deletes a Job, its pods first, and sees all of them gone.
func (c *Cluster) deleteJob(ctx context.Context, job *batchv1.Job) error {
	o := &unstructured.Unstructured{}
	o.SetKind("Job")
	o.SetNamespace(job.Namespace)
	o.SetName(job.Name)
	o.SetUID(job.UID)
	if err := c.delete(ctx, o, metav1.DeletePropagationForeground); err != nil {
		return err
	}
	return c.seeGone(ctx, o)
}

// stillThere is the fault of an object that did not go, or nil.
func stillThere(o *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Leftover, "it was deleted and is still there: %w", err).At(named(o)).
		WithHint("kubectl get " + o.GetKind() + " " + o.GetName() + " -n " + o.GetNamespace() + " -o yaml shows what holds it (metadata.finalizers)")
}

// untilNotFound asks until the answer is "not found".
func untilNotFound(ctx context.Context, get func(context.Context) error) error {
	for {
		err := get(ctx)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil && !transient(err) {
			return err
		}
		if err := pause(ctx, goneInterval); err != nil {
			return err
		}
	}
}

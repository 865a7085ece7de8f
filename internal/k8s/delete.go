package k8s

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// An object that was deleted is asked for soon, then less and less often: a Job
// goes with its pods, which takes some two seconds, a volume may take minutes.
const (
	goneFirst = 150 * time.Millisecond
	goneMost  = 2 * time.Second
)

// delete deletes one object, and only that one: another of its name stays.
func (c *Cluster) delete(ctx context.Context, o *unstructured.Unstructured) error {
	return c.deleteWith(ctx, o, metav1.DeleteOptions{PropagationPolicy: ptr(propagationOf(o.GetKind()))})
}

// deleteWith is delete in the way that the options say.
func (c *Cluster) deleteWith(ctx context.Context, o *unstructured.Unstructured, options metav1.DeleteOptions) error {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return err
	}
	uid := o.GetUID()
	options.Preconditions = &metav1.Preconditions{UID: &uid}
	err = patientlyChanging(ctx, func(ctx context.Context) error {
		err := client.Delete(ctx, o.GetName(), options)
		if !apierrors.IsConflict(err) {
			return err
		}
		// It is another of its name, or somebody wrote to it at that moment.
		found, getErr := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		switch {
		case getErr != nil:
			return getErr
		case found.GetUID() != uid:
			return nil
		}
		return err
	})
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fault.New(fault.Leftover, "delete it: %w", err).At(named(o))
}

// propagationOf is what goes first: a Job goes after its pods, so that who sees it
// gone has seen them gone.
func propagationOf(kind string) metav1.DeletionPropagation {
	if kind == "Job" {
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}

// seeGone asks until an object that was deleted no longer exists.
func (c *Cluster) seeGone(ctx context.Context, o *unstructured.Unstructured) error {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return err
	}
	last := o
	err = c.untilNotFound(ctx, func(ctx context.Context) error {
		found, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case found.GetUID() != o.GetUID(): // another of its name
			return apierrors.NewNotFound(batchv1.Resource(o.GetKind()), o.GetName())
		}
		last = found
		return nil
	})
	return stillThere(last, err)
}

// deleteAndSee deletes an object and sees it gone, a Job with its pods.
func (c *Cluster) deleteAndSee(ctx context.Context, o *unstructured.Unstructured) error {
	if err := c.delete(ctx, o); err != nil {
		return err
	}
	return c.seeGone(ctx, o)
}

// deleteJob deletes a Job and sees it gone with its pods.
func (c *Cluster) deleteJob(ctx context.Context, job *batchv1.Job) error {
	return c.deleteAndSee(ctx, identified("Job", job))
}

// forgetJob deletes a Job without waiting for its pod, which may never go.
func (c *Cluster) forgetJob(ctx context.Context, job *unstructured.Unstructured) error {
	return c.deleteWith(ctx, job, metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)})
}

// forgetPod deletes a pod at once; should its kubelet come back, it ends what it has
// of it. The right is one that a run with a copy has, whose claim would stay; without
// it the pod is left to Kubernetes, which removes it when its node is deleted.
func (c *Cluster) forgetPod(ctx context.Context, pod *corev1.Pod) error {
	err := c.deleteWith(ctx, identified("Pod", pod), metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))})
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

// identified is as much of an object as deleting it takes.
func identified(kind string, meta metav1.Object) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetKind(kind)
	o.SetNamespace(meta.GetNamespace())
	o.SetName(meta.GetName())
	o.SetUID(meta.GetUID())
	return o
}

// heldBy says what holds an object that is being deleted; empty: nothing that it
// names.
func heldBy(o *unstructured.Unstructured) string {
	if len(o.GetFinalizers()) == 0 {
		return ""
	}
	return "held until whoever set them removes its finalizers " + strings.Join(o.GetFinalizers(), ", ")
}

// stillThere is the fault of an object that did not go, or nil. o is how it was last
// seen.
func stillThere(o *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	f := fault.New(fault.Leftover, "it was deleted and is still there: %w", err).At(named(o))
	if why := heldBy(o); why != "" {
		f = f.WithWhy(why)
	}
	return f.WithHint(describeHint(o) + "; kubectl volsync-kopia cleanup -n " + o.GetNamespace() + " looks again")
}

// describeHint says how to see what an object waits for.
func describeHint(o *unstructured.Unstructured) string {
	return "kubectl describe " + o.GetKind() + " " + o.GetName() + " -n " + o.GetNamespace() + " tells what it waits for"
}

// untilNotFound asks until the answer is "not found", for as long as a removal may
// take. Hardly anything is gone at once.
func (c *Cluster) untilNotFound(ctx context.Context, get func(context.Context) error) error {
	if c.removal > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, c.removal, fmt.Errorf("waited %s", c.removal))
		defer cancel()
		ctx = bounded
	}
	for delay := goneFirst; ; delay = min(2*delay, goneMost) {
		if err := pause(ctx, delay); err != nil {
			return err
		}
		err := get(ctx)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !transient(err) {
			return err
		}
	}
}

package k8s

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// backing is the cluster-scoped object behind a claim or a snapshot. A class with
// Retain keeps it when that is deleted.
type backing struct{ kind, name string }

// policy is the field that says what becomes of it.
func (b backing) policy() []string {
	if b.kind == "VolumeSnapshotContent" {
		return []string{"spec", "deletionPolicy"}
	}
	return []string{"spec", "persistentVolumeReclaimPolicy"}
}

// backingOf names what the storage made for a claim or a snapshot; nil: nothing
// yet, or it is neither.
func backingOf(o *unstructured.Unstructured) *backing {
	var b backing
	switch o.GetKind() {
	case "PersistentVolumeClaim":
		b.kind = "PersistentVolume"
		b.name, _, _ = unstructured.NestedString(o.Object, "spec", "volumeName")
	case "VolumeSnapshot":
		b.kind = "VolumeSnapshotContent"
		b.name, _, _ = unstructured.NestedString(o.Object, "status", "boundVolumeSnapshotContentName")
	}
	if b.name == "" {
		return nil
	}
	return &b
}

// retained are the kinds of backing of which the plan knows that they would stay.
func (t *Target) retained() map[string]bool {
	kinds := map[string]bool{}
	for _, step := range t.plan.Steps {
		if step.Reclaim != nil {
			kinds[step.Reclaim.Kind] = true
		}
	}
	return kinds
}

// removeInOrder deletes a run's claims and snapshots, in this order, and then sees
// them gone by seeGone, and what stands behind them where the caller may look at it.
// refused is true when one could not be deleted.
//
// retained says which kinds of backing would stay, and must be told to go first;
// nil: nobody knows. One that cannot be told keeps its claim or snapshot, which
// carries the run's label: without it nobody would find it again.
func (c *Cluster) removeInOrder(
	ctx context.Context, copies []*unstructured.Unstructured, retained map[string]bool, seeGone func(context.Context, *unstructured.Unstructured) error,
) (refused bool, err error) {
	var errs []error
	var deleted []*unstructured.Unstructured
	behind := map[*unstructured.Unstructured]*backing{}
	for _, o := range copies {
		b, err := c.deleteCopy(ctx, o, retained)
		if err != nil {
			errs, refused = append(errs, err), true
			continue
		}
		deleted = append(deleted, o)
		behind[o] = b
	}
	var going []*backing
	for _, o := range deleted {
		if err := seeGone(ctx, o); err != nil { // what is behind it stays as long
			errs = append(errs, err)
		} else if b := behind[o]; b != nil {
			going = append(going, b)
		}
	}
	for _, b := range going {
		errs = append(errs, c.seeBackingGone(ctx, *b))
	}
	return refused, errors.Join(errs...)
}

// deleteCopy deletes a claim or a snapshot, and returns what stands behind it.
func (c *Cluster) deleteCopy(ctx context.Context, o *unstructured.Unstructured, retained map[string]bool) (*backing, error) {
	b, live := backingOf(o), o
	if b == nil { // as it was made; a claim that waited for its consumer may be bound by now
		var err error
		if live, err = c.live(ctx, o); err != nil {
			return nil, fault.New(fault.Leftover, "see what is behind it: %w", err).At(named(o))
		}
		b = backingOf(live)
	}
	known := retained != nil || c.classes != nil
	if b != nil && (!known || retained[b.kind] || retained == nil && c.keptByClass(live)) {
		if err := c.letGo(ctx, *b, known); err != nil {
			return nil, fault.New(fault.Leftover, "its class keeps %s %s, which cannot be told to go with it: %w", b.kind, b.name, err).
				At(named(o)).WithHint("kubectl volsync-kopia cleanup -n " + o.GetNamespace() + " tries again; it takes the right to patch a " + b.kind)
		}
	}
	return b, c.delete(ctx, o)
}

// keptByClass reports whether the class facts, where there are any, say that what stands
// behind a claim or a snapshot outlives it. Of a class that they do not hold nothing is
// known, as by anybody who may look at none.
func (c *Cluster) keptByClass(o *unstructured.Unstructured) bool {
	if c.classes == nil {
		return false
	}
	if o.GetKind() == "VolumeSnapshot" {
		class, _, _ := unstructured.NestedString(o.Object, "spec", "volumeSnapshotClassName")
		return slices.ContainsFunc(c.classes.SnapshotClasses, func(s plan.SnapshotClass) bool { return s.Name == class && s.DeletionPolicy == "Retain" })
	}
	class, _, _ := unstructured.NestedString(o.Object, "spec", "storageClassName")
	return slices.ContainsFunc(c.classes.StorageClasses, func(s plan.StorageClass) bool {
		return s.Name == class && s.ReclaimPolicy == corev1.PersistentVolumeReclaimRetain
	})
}

// live reads an object again; one that is gone is as it was.
func (c *Cluster) live(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return nil, err
	}
	live := o
	err = patiently(ctx, func(ctx context.Context) error {
		found, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err == nil && found.GetUID() == o.GetUID() {
			live = found
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return o, nil
	}
	return live, err
}

// letGo makes a backing go with its claim or snapshot. Unless it is sure to be
// kept otherwise it is looked at first; who may neither look at it nor change it
// has nothing that could be said.
func (c *Cluster) letGo(ctx context.Context, b backing, sure bool) error {
	client, err := c.objects(b.kind, "")
	if err != nil {
		return err
	}
	if sure {
		return setPolicy(ctx, client, b)
	}
	var found *unstructured.Unstructured
	err = patiently(ctx, func(ctx context.Context) error {
		var err error
		found, err = client.Get(ctx, b.name, metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err):
		if err := setPolicy(ctx, client, b); !apierrors.IsForbidden(err) {
			return err
		}
		return nil
	case err != nil:
		return err
	}
	if policy, _, _ := unstructured.NestedString(found.Object, b.policy()...); policy != "Retain" {
		return nil
	}
	return setPolicy(ctx, client, b)
}

// setPolicy writes that a backing is to be deleted; one that is gone is.
func setPolicy(ctx context.Context, client dynamic.ResourceInterface, b backing) error {
	patch, err := nested(b.policy(), "Delete")
	if err != nil {
		return err
	}
	err = patientlyChanging(ctx, func(ctx context.Context) error {
		_, err := client.Patch(ctx, b.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// seeBackingGone waits until what stood behind a deleted object is gone. Without
// the right to read it that is not known, and nothing is said.
func (c *Cluster) seeBackingGone(ctx context.Context, b backing) error {
	if c.classes != nil {
		return nil
	}
	client, err := c.objects(b.kind, "")
	if err != nil {
		return err
	}
	err = c.untilNotFound(ctx, func(ctx context.Context) error {
		_, err := client.Get(ctx, b.name, metav1.GetOptions{})
		return err
	})
	if err == nil || apierrors.IsForbidden(err) {
		return nil
	}
	return fault.New(fault.Leftover, "its claim or snapshot is gone and it is still there: %w", err).At(b.kind + " " + b.name)
}

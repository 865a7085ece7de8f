package k8s

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v6/apis/volumesnapshot/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// Annotations that make a class the default of its kind.
const (
	annotationDefaultStorageClass  = "storageclass.kubernetes.io/is-default-class"
	annotationDefaultSnapshotClass = "snapshot.storage.kubernetes.io/is-default-class"
)

// takeClasses takes the facts outside the namespace from the class facts.
func (o *observation) takeClasses() error {
	c := o.cluster.classes
	if c == nil {
		return nil
	}
	if c.Namespace != o.namespace {
		return fault.New(fault.Refused, "the class facts are those of namespace %q, and the source is in %q", c.Namespace, o.namespace).
			WithHint("make the schedule again")
	}
	o.facts.SnapshotAPI, o.facts.StorageClasses, o.facts.SnapshotClasses = c.SnapshotAPI, c.StorageClasses, c.SnapshotClasses
	o.unknown.list = slices.Clone(c.Unknown)
	return nil
}

// notAmongClassFacts is why a fact is unknown that class facts could have held.
const notAmongClassFacts = "is not among the class facts: make the schedule again"

// takeClaim says what is unknown of a source's claim that was made anew since the class
// facts were kept, with another class: of that class and its driver they hold nothing.
func (o *observation) takeClaim(claim *plan.Claim) {
	known, class := o.cluster.classes, claim.StorageClass
	if known == nil || claim.Name != o.questions.Source || class == nil || *class == known.StorageClass {
		return
	}
	if slices.ContainsFunc(known.StorageClasses, func(c plan.StorageClass) bool { return c.Name == *class }) {
		return
	}
	err := fmt.Errorf("StorageClass %s of claim %s %s", *class, claim.Name, notAmongClassFacts)
	o.unknown.add(plan.FactStorageClasses, err)
	o.unknown.add(plan.FactSnapshotClasses, err)
}

func (o *observation) readStorageClasses(ctx context.Context) error {
	if o.cluster.classes != nil {
		return nil
	}
	list, err := o.cluster.typed.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return o.skip(err, plan.FactStorageClasses)
	}
	for i := range list.Items {
		o.facts.StorageClasses = append(o.facts.StorageClasses, storageClass(&list.Items[i]))
	}
	return nil
}

// storageClass keeps what a plan needs of a class, its defaults filled in.
func storageClass(c *storagev1.StorageClass) plan.StorageClass {
	kept := plan.StorageClass{
		Name: c.Name, Provisioner: c.Provisioner, BindingMode: storagev1.VolumeBindingImmediate,
		Default: isTrue(c.Annotations[annotationDefaultStorageClass]),
	}
	if c.VolumeBindingMode != nil {
		kept.BindingMode = *c.VolumeBindingMode
	}
	if c.ReclaimPolicy != nil {
		kept.ReclaimPolicy = *c.ReclaimPolicy
	}
	return kept
}

// readSnapshotClasses learns at once whether the snapshot API is served and
// which classes there are: without the API their list is not found.
func (o *observation) readSnapshotClasses(ctx context.Context) error {
	if o.cluster.classes != nil {
		return nil
	}
	objects, err := o.cluster.objects("VolumeSnapshotClass", "")
	if err != nil {
		return err
	}
	list, err := objects.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsForbidden(err) {
		o.facts.SnapshotAPI, err = o.servesSnapshots(ctx), o.skip(err, plan.FactSnapshotClasses)
		return err
	}
	if err != nil {
		return o.skip(err, plan.FactSnapshotClasses)
	}
	o.facts.SnapshotAPI = true
	for i := range list.Items {
		var c snapshotv1.VolumeSnapshotClass
		if err := convert(&list.Items[i], &c); err != nil {
			return err
		}
		o.facts.SnapshotClasses = append(o.facts.SnapshotClasses, plan.SnapshotClass{
			Name: c.Name, Driver: c.Driver, DeletionPolicy: string(c.DeletionPolicy),
			Default: isTrue(c.Annotations[annotationDefaultSnapshotClass]),
		})
	}
	return nil
}

// servesSnapshots reports whether the cluster has the snapshot API.
func (o *observation) servesSnapshots(ctx context.Context) bool {
	return o.discover(ctx, snapshotv1.SchemeGroupVersion.String()) == nil
}

// discover asks discovery, which everybody may read, for a version of a group.
func (o *observation) discover(ctx context.Context, groupVersion string) error {
	served := discovery.ToServerResourcesInterfaceWithContext(o.cluster.typed.Discovery())
	_, err := served.ServerResourcesForGroupVersionWithContext(ctx, groupVersion)
	return err
}

func isTrue(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && yes
}

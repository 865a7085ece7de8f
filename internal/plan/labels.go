package plan

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ManagedBy is the value of app.kubernetes.io/managed-by and the field manager.
const ManagedBy = "kubectl-volsync-kopia"

// Labels and annotations of everything that is created.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelRun is the run's id; objects that outlive a run have none.
	LabelRun = "volsync-kopia/run"
	// LabelSource is SourceLabel of the object.
	LabelSource = "volsync-kopia/source"
	// LabelRole says what an object is for: mover, copy, cache, lease, history.
	LabelRole = "volsync-kopia/role"
	// LabelOwnerName is on pods, with the object's name, as documented for
	// finding them.
	LabelOwnerName = "volsync.backube/owner-name"

	// AnnotationObject is the full "Kind namespace/name".
	AnnotationObject = "volsync-kopia/object"
	// AnnotationTask carries the Task as JSON on the pod.
	AnnotationTask = "volsync-kopia/task"
	// AnnotationVersion is this tool's version.
	AnnotationVersion = "volsync-kopia/version"
	// AnnotationLiveActions on a source allows actions with copyMethod Direct.
	AnnotationLiveActions = "volsync-kopia/actions-on-live-volume"
	// AnnotationPrivilegedMovers on a namespace allows movers that read any file.
	AnnotationPrivilegedMovers = "volsync.backube/privileged-movers"

	// AnnotationUseCopyTrigger and AnnotationCopyTrigger on a claim are the
	// user's side of the copy-trigger protocol.
	AnnotationUseCopyTrigger = "volsync.backube/use-copy-trigger"
	AnnotationCopyTrigger    = "volsync.backube/copy-trigger"
	// AnnotationLatestCopyTrigger is the value that was served last.
	AnnotationLatestCopyTrigger = "volsync.backube/latest-copy-trigger"
)

// The values of LabelRole.
const (
	roleMover   = "mover"
	roleCopy    = "copy"
	roleCache   = "cache"
	roleLease   = "lease"
	roleHistory = "history"
)

// labels are those of an object with the role; run is empty for objects that
// outlive the run.
func (b *builder) labels(role, run string) map[string]string {
	l := map[string]string{
		LabelManagedBy: ManagedBy,
		LabelSource:    SourceLabel(b.object),
		LabelRole:      role,
	}
	if run != "" {
		l[LabelRun] = run
	}
	return l
}

// meta is the metadata of an object of this run.
func (b *builder) meta(name, role string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: b.object.Namespace,
		Labels:    b.labels(role, b.in.Env.RunID),
		Annotations: map[string]string{
			AnnotationObject:  b.object.String(),
			AnnotationVersion: b.in.Env.Version,
		},
	}
}

// lastingMeta is the metadata of an object that outlives the run: it belongs
// to the source, and goes with it where the source is in the cluster.
func (b *builder) lastingMeta(kind NameKind, role string) metav1.ObjectMeta {
	m := b.meta(Name(kind, b.object, ""), role)
	m.Labels = b.labels(role, "")
	if live := b.in.Facts.Object; live != nil && live.UID != "" {
		m.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: b.source.APIVersion, Kind: b.object.Kind, Name: b.object.Name, UID: types.UID(live.UID),
		}}
	}
	return m
}

// podLabels are the pod's: the manifest's own, then the tool's, which win.
func (b *builder) podLabels() map[string]string {
	l := map[string]string{}
	maps.Copy(l, b.kopia.MoverPodLabels)
	maps.Copy(l, b.labels(roleMover, b.in.Env.RunID))
	l[LabelOwnerName] = labelValue(b.object.Name)
	return l
}

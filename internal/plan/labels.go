package plan

import (
	"maps"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
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
	// LabelRole says what an object is for: mover, probe, ask, copy, cache, lease,
	// history, schedule, driver.
	LabelRole = "volsync-kopia/role"
	// LabelOwnerName is on pods, with the object's name, as documented for
	// finding them.
	LabelOwnerName = "volsync.backube/owner-name"

	// AnnotationObject is the full "Kind namespace/name".
	AnnotationObject = "volsync-kopia/object"
	// AnnotationTask carries the Task as JSON on the pod.
	AnnotationTask = "volsync-kopia/task"
	// AnnotationHolder on a Lease says who runs the run, as user@host.
	AnnotationHolder = "volsync-kopia/holder"
	// AnnotationStarted on a Job is when its mover was allowed to start: a Job
	// that is suspended all the same was cancelled.
	AnnotationStarted = "volsync-kopia/started"
	// AnnotationStartLimit on a Job is how long its mover may take to start; without
	// it there is no limit.
	AnnotationStartLimit = "volsync-kopia/start-limit"
	// AnnotationStopped on a Job says why its mover was told to stop, as
	// "Interrupt: cancelled by SIGINT": a fault's kind and its words.
	AnnotationStopped = "volsync-kopia/stopped"
	// AnnotationCollected on a Job says that its Result is in the history, so
	// that nobody needs the Job any more.
	AnnotationCollected = "volsync-kopia/collected"
	// AnnotationResult on a collected Job is the Result: the pod may be gone.
	AnnotationResult = "volsync-kopia/result"
	// AnnotationKeep, AnnotationManualTag, AnnotationScheduled and
	// AnnotationWritesStatus on a Job are what whoever collects its Result must
	// know, should the command be dead by then: how many seconds the Job then
	// stays, spec.trigger.manual and spec.trigger.schedule as they were, this with
	// the CronJob's time zone, and whether the object's status is this run's to write.
	AnnotationKeep         = "volsync-kopia/keep"
	AnnotationManualTag    = "volsync-kopia/manual-tag"
	AnnotationScheduled    = "volsync-kopia/scheduled"
	AnnotationWritesStatus = "volsync-kopia/writes-status"
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
	// AnnotationLatestCopyStatus is how far the copy is, a Trigger's state.
	AnnotationLatestCopyStatus = "volsync.backube/latest-copy-status"
)

// The values of LabelRole.
const (
	RoleMover   = "mover"
	RoleProbe   = "probe"
	RoleAsk     = "ask"
	RoleCopy    = "copy"
	roleCache   = "cache"
	RoleLease   = "lease"
	RoleHistory = "history"
	// RoleSchedule is of what makes up a schedule, RoleDriver of the Jobs and pods that
	// its CronJob makes.
	RoleSchedule = "schedule"
	RoleDriver   = "driver"
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

// jobMeta is the Job's metadata, with what is needed to collect its Result.
func (b *builder) jobMeta() metav1.ObjectMeta {
	m := b.meta(b.name(), RoleMover)
	maps.Copy(m.Annotations, b.hookAnnotations())
	m.Annotations[AnnotationKeep] = strconv.FormatInt(b.keepSeconds(), 10)
	m.Annotations[AnnotationWritesStatus] = strconv.FormatBool(b.statusObject())
	if scheduled, started := b.in.Options.Timeouts.Scheduled, b.in.Options.Timeouts.Started; scheduled > 0 && started > 0 {
		m.Annotations[AnnotationStartLimit] = time.Duration(scheduled + started).String()
	}
	t := b.in.Document.Trigger()
	if t.Manual != "" {
		m.Annotations[AnnotationManualTag] = t.Manual
	}
	if t.Schedule != nil {
		m.Annotations[AnnotationScheduled] = b.zoned(*t.Schedule)
	}
	return m
}

// keepSeconds is how long the Job stays once its Result was collected.
func (b *builder) keepSeconds() int64 {
	return int64((time.Duration(b.in.Options.KeepJob) + time.Second - 1) / time.Second)
}

// lastingMeta is the metadata of an object that outlives the run: it belongs
// to the source, and goes with it where the source is in the cluster.
func (b *builder) lastingMeta(kind NameKind, role string) metav1.ObjectMeta {
	m := b.meta(Name(kind, b.object, ""), role)
	m.Labels = b.labels(role, "")
	if live := b.in.Facts.Object; live != nil && live.UID != "" {
		m.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: spec.GroupVersion, Kind: b.object.Kind, Name: b.object.Name, UID: types.UID(live.UID),
		}}
	}
	return m
}

// podLabels are the pod's: the manifest's own, then the tool's, which win.
func (b *builder) podLabels() map[string]string {
	l := map[string]string{}
	maps.Copy(l, b.kopia.MoverPodLabels)
	maps.Copy(l, b.labels(RoleMover, b.in.Env.RunID))
	l[LabelOwnerName] = labelValue(b.object.Name)
	return l
}

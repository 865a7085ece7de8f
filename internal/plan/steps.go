package plan

import (
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v6/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// leaseSeconds is how long a Lease may go without renewal: as long as client-go's
// leader election allows, so that a dead run is soon known to be dead.
const leaseSeconds = 15

// run collects the ids of the steps that later ones refer to.
type run struct {
	lease, job, snapshot, claim int
	// hook is the step before the copy, from which on the after hook is due.
	hook int
}

// clusterSteps lays out a run on the cluster: Lease, suspended Job that owns
// the rest, copy, start, follow, outcome, and everything removed again. c is nil
// for a run that reads no volume.
func (b *builder) clusterSteps(c *Copy, cache Cache, job *batchv1.Job, task *result.Task) {
	var r run
	timeouts := b.in.Options.Timeouts
	lease := b.template(b.lease())
	r.lease = b.add(Step{Kind: StepLease, Title: "Lease " + lease.Name(), Object: lease})
	r.job = b.create("Job", job, 0)
	b.steps[r.job-1].Note = "suspended; owns everything of this run"
	b.add(Step{
		Kind: StepAdopt, Title: b.titleOf(r.lease), Targets: []int{r.lease}, Owner: b.jobOwner(r.job),
		Note: "owned by the Job from now on",
	})
	if cache.Claim != "" && !cache.Existing {
		id := b.create("PersistentVolumeClaim", b.cacheClaim(cache), 0)
		b.steps[id-1].IfMissing, b.steps[id-1].Note = true, "the cache; kept"
	}
	if c != nil {
		b.copySteps(&r, c)
	}
	b.add(b.startStep(&r))
	if c != nil {
		b.afterStart(&r, c)
	}
	if !b.in.Options.Detach {
		b.add(Step{
			Kind: StepFollow, Title: b.titleOf(r.job), Targets: []int{r.job},
			Waits: []Wait{{UntilEnded, timeouts.Running}, {WhileReporting, timeouts.Idle}},
		})
		if c != nil && c.Method == spec.CopyDirect {
			b.afterHook(&r)
		}
		if task.Backup != nil {
			b.askIfUnknown(&r, job, task)
		}
		b.endSteps(&r)
	} else {
		b.add(Step{
			Kind: StepDetach, Title: b.titleOf(r.lease), Targets: []int{r.lease},
			Note: "left to the Job, which blocks by itself",
		})
	}
	b.clusterCleanup(&r)
}

// startStep lets the mover start and has status and history say so at once: while its
// start is waited for, others must know of it.
func (b *builder) startStep(r *run) Step {
	timeouts := b.in.Options.Timeouts
	history, status := b.records()
	return Step{
		Kind: StepUnsuspend, Title: b.titleOf(r.job), Targets: []int{r.job},
		Note:   "noted in " + strings.Join(recordNames(history, status), " and "),
		Object: history, IfMissing: true, Status: status,
		Waits: []Wait{{UntilScheduled, timeouts.Scheduled}, {UntilStarted, timeouts.Started}},
	}
}

// copySteps make the point-in-time copy, and wait only where waiting can end:
// a claim that waits for its consumer is bound by the mover's pod.
func (b *builder) copySteps(r *run, c *Copy) {
	b.awaitTrigger(c)
	b.beforeHook(r)
	if c.Method == spec.CopyDirect {
		return
	}
	if c.Method == spec.CopySnapshot {
		r.snapshot = b.create("VolumeSnapshot", b.snapshot(c), r.job, b.snapshotWaits()...)
		b.snapshotTaken(r)
		if b.snapshotRetained(c) {
			b.add(Step{
				Kind: StepReclaim, Title: "VolumeSnapshotContent of " + b.name(), Targets: []int{r.snapshot},
				Reclaim: &Reclaim{
					Kind: "VolumeSnapshotContent", Field: "spec.deletionPolicy",
					Name: Ref{FromStep: r.snapshot, Field: "status.boundVolumeSnapshotContentName"},
				},
			})
		}
		b.completeTrigger(c)
	}
	claim := b.template(b.copyClaim(c, r))
	b.check(claim.ownedBy(b.jobOwner(r.job)))
	if c.Method == spec.CopySnapshot {
		size := Ref{FromStep: r.snapshot, Field: "status.restoreSize", AtLeast: c.Size}
		b.check(claim.hole(size, "spec", "resources", "requests", "storage"))
	}
	step := Step{Kind: StepCreate, Title: "PersistentVolumeClaim " + claim.Name(), Object: claim, Note: "bound when used"}
	if c.BindingMode == string(storagev1.VolumeBindingImmediate) {
		step.Note, step.Waits = "", []Wait{{UntilBound, b.in.Options.Timeouts.Bound}}
	}
	r.claim = b.add(step)
	if c.Method == spec.CopyClone && !boundWhenUsed(c) {
		b.afterHook(r)
	}
}

// afterStart does what needs the copy to be bound, as it is once the mover runs.
func (b *builder) afterStart(r *run, c *Copy) {
	if r.claim == 0 {
		return
	}
	if c.Method == spec.CopyClone && boundWhenUsed(c) {
		b.afterHook(r)
	}
	if b.volumeRetained(c) {
		b.add(Step{
			Kind: StepReclaim, Title: "PersistentVolume of " + b.name(), Targets: []int{r.claim},
			Reclaim: &Reclaim{
				Kind: "PersistentVolume", Field: "spec.persistentVolumeReclaimPolicy",
				Name: Ref{FromStep: r.claim, Field: "spec.volumeName"},
			},
		})
	}
	if c.Method == spec.CopyClone {
		b.completeTrigger(c)
	}
}

// endSteps write the outcome and remove what the run made. The claim goes
// before the snapshot that it was made from.
func (b *builder) endSteps(r *run) {
	history, status := b.records()
	b.add(Step{
		Kind: StepStatus, Title: strings.Join(recordNames(history, status), ", "), Note: "the outcome, also as an Event",
		Object: history, IfMissing: true, Status: status,
	})
	var copies []int
	for _, id := range []int{r.claim, r.snapshot} {
		if id != 0 {
			copies = append(copies, id)
		}
	}
	if len(copies) > 0 {
		b.add(Step{
			Kind: StepDelete, Title: "the copy", Targets: copies,
			Note: "the mover's pod first: Kubernetes keeps a claim that a pod names",
		})
	}
	keep := new(int32(b.keepSeconds()))
	b.add(Step{Kind: StepKeep, Title: b.titleOf(r.job), Targets: []int{r.job}, KeepSeconds: keep})
	b.add(Step{Kind: StepRelease, Title: b.titleOf(r.lease), Targets: []int{r.lease}})
}

// clusterCleanup is what a run that ends early undoes.
func (b *builder) clusterCleanup(r *run) {
	b.hookCleanup(r)
	for _, undo := range []struct {
		step   int
		action CleanupAction
	}{
		{r.claim, CleanupDelete},
		{r.snapshot, CleanupDelete},
		{r.job, CleanupDeleteUnstarted},
		{r.lease, CleanupRelease},
	} {
		if undo.step != 0 {
			b.cleanup = append(b.cleanup, Cleanup{Step: undo.step, Action: undo.action, Title: b.titleOf(undo.step)})
		}
	}
}

// lease is the source's Lease; its name has no run, so that runs meet in it.
func (b *builder) lease() *coordinationv1.Lease {
	now := metav1.NewMicroTime(b.in.Env.Now.UTC())
	meta := b.meta(Name(b.kind.names, b.object, ""), RoleLease)
	if b.in.Env.Holder != "" {
		meta.Annotations[AnnotationHolder] = b.in.Env.Holder
	}
	return &coordinationv1.Lease{
		TypeMeta:   typeMeta("coordination.k8s.io/v1", "Lease"),
		ObjectMeta: meta,
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       &b.in.Env.RunID,
			LeaseDurationSeconds: new(int32(leaseSeconds)),
			AcquireTime:          &now,
			RenewTime:            &now,
		},
	}
}

// snapshot is the VolumeSnapshot of the source claim.
func (b *builder) snapshot(c *Copy) *snapshotv1.VolumeSnapshot {
	s := &snapshotv1.VolumeSnapshot{
		TypeMeta:   typeMeta("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
		ObjectMeta: b.meta(b.name(), RoleCopy),
		Spec: snapshotv1.VolumeSnapshotSpec{
			Source: snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: &c.Claim},
		},
	}
	if c.SnapshotClass != "" {
		s.Spec.VolumeSnapshotClassName = &c.SnapshotClass
	}
	return s
}

// copyClaim is the claim made from the snapshot or from the source itself.
func (b *builder) copyClaim(c *Copy, r *run) *corev1.PersistentVolumeClaim {
	source := &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: c.Claim}
	if r.snapshot != 0 {
		source = &corev1.TypedLocalObjectReference{
			APIGroup: new(GroupSnapshot), Kind: "VolumeSnapshot", Name: b.name(),
		}
	}
	modes := make([]corev1.PersistentVolumeAccessMode, 0, len(c.AccessModes))
	for _, mode := range c.AccessModes {
		modes = append(modes, corev1.PersistentVolumeAccessMode(mode))
	}
	size, err := resource.ParseQuantity(c.Size)
	b.check(err)
	return &corev1.PersistentVolumeClaim{
		TypeMeta:   typeMeta("v1", "PersistentVolumeClaim"),
		ObjectMeta: b.meta(b.name(), RoleCopy),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      modes,
			StorageClassName: &c.StorageClass,
			VolumeMode:       new(corev1.PersistentVolumeFilesystem),
			DataSource:       source,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
}

// usesTrigger reports whether the claim asks for the copy-trigger protocol.
func (b *builder) usesTrigger(c *Copy) bool {
	claim := b.in.Facts.claim(c.Claim)
	if claim == nil || c.Method == spec.CopyDirect {
		return false
	}
	_, uses := claim.Annotations[AnnotationUseCopyTrigger]
	return uses
}

// awaitTrigger waits for a copy trigger that was not served yet.
func (b *builder) awaitTrigger(c *Copy) {
	if !b.usesTrigger(c) {
		return
	}
	annotations := b.in.Facts.claim(c.Claim).Annotations
	step := Step{
		Kind: StepTrigger, Title: "PersistentVolumeClaim " + c.Claim, Note: "copy trigger in progress",
		Trigger: &Trigger{Claim: c.Claim, State: TriggerInProgress},
	}
	if value := annotations[AnnotationCopyTrigger]; value == "" || value == annotations[AnnotationLatestCopyTrigger] {
		step.Note = "waits for a new value of " + AnnotationCopyTrigger
		step.Waits = []Wait{{UntilTriggered, b.in.Options.Timeouts.CopyTrigger}}
	}
	b.add(step)
}

// completeTrigger tells the application that the copy was taken.
func (b *builder) completeTrigger(c *Copy) {
	if b.usesTrigger(c) {
		b.add(Step{
			Kind: StepTrigger, Title: "PersistentVolumeClaim " + c.Claim, Note: "copy trigger completed",
			Trigger: &Trigger{Claim: c.Claim, State: TriggerCompleted},
		})
	}
}

// localSteps lay out a run on this machine.
func (b *builder) localSteps(prepare *Prepare) {
	id := b.add(Step{Kind: StepPrepare, Title: "private directory " + prepare.WorkDir, Prepare: prepare})
	b.add(Step{
		Kind: StepRun, Title: "mover on this machine",
		Waits: []Wait{{UntilEnded, b.in.Options.Timeouts.Running}},
	})
	file := LocalHistory(b.in.Env.Local.StateDir, b.object)
	b.add(Step{Kind: StepStatus, Title: "local state " + file, Status: &Status{File: file}})
	b.add(Step{Kind: StepRemove, Title: "private directory " + prepare.WorkDir, Targets: []int{id}})
	b.cleanup = []Cleanup{{Step: id, Action: CleanupRemove, Title: b.titleOf(id)}}
}

package plan

import (
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const (
	// ProbeTimeout is how long a probe may run when nothing else is asked for.
	ProbeTimeout = 2 * time.Minute
	// probePending is how long its pod may take to be placed and started, each,
	// when the options set no limit: nobody may be there to see it.
	probePending = 5 * time.Minute
	// probeGrace is all that reading needs to end.
	probeGrace = 30 * time.Second
	// probeKept is how long a finished probe stays whose command is dead.
	probeKept = time.Minute
)

// BuildProbe plans the question to the repository that a plan of the same input
// leaves open: a mover that has everything of the backup's but the data, and
// nothing that it can write to. It takes no Lease and uses no kept cache, so that
// it is in no run's way; its answer is for AddProbe. in.Env.RunID is its own.
func BuildProbe(in Input) (Plan, problem.List) {
	in.Options.Timeouts = probeTimeouts(in.Options.Timeouts)
	b, plan := begin(in)
	place := siteOf(in.Env, in.Options)
	plan.Operation = result.OperationProbe
	plan.Identity, plan.Otherwise = b.identity()
	p := b.decidePolicies(plan.Identity)
	plan.Cache = b.decideCache(cacheSizes{p.resolved.Caching.ContentBytes, p.resolved.Caching.MetadataBytes}, place.cacheDir)
	plan.Repository = b.repository(place, p)
	plan.Mover = Mover{Image: in.Env.Image, Kopia: place.kopia}
	task := b.taskFor(place, plan.Identity, p, plan.Cache)
	task.Operation, task.Otherwise = result.OperationProbe, plan.Otherwise
	if in.Env.Local != nil {
		b.planLocal(place)
		b.dropSteps(StepStatus) // nothing is recorded of what only reads
	} else {
		plan.Cache.inEmptyDir()
		b.probeSteps(b.probeJob(plan.Cache, p, task))
	}
	return b.finish(plan, place, task)
}

// probeTimeouts bound a probe even where a run has no limit.
func probeTimeouts(t Timeouts) Timeouts {
	for _, limit := range []struct {
		of        *result.Duration
		otherwise time.Duration
	}{{&t.Scheduled, probePending}, {&t.Started, probePending}, {&t.Running, ProbeTimeout}} {
		if *limit.of == 0 {
			*limit.of = result.Duration(limit.otherwise)
		}
	}
	t.CancelGrace = min(t.CancelGrace, result.Duration(probeGrace))
	return t
}

// inEmptyDir makes the cache one that goes with the pod.
func (c *Cache) inEmptyDir() {
	c.Claim, c.StorageClass = "", ""
	c.SizeLimit = binary(c.CapacityBytes + max(percent(c.CapacityBytes, marginPercent), minCacheMargin))
}

// probeSteps make the Job, hear it and remove it.
func (b *builder) probeSteps(job *batchv1.Job) {
	timeouts := b.in.Options.Timeouts
	id := b.create("Job", job, 0)
	b.add(Step{
		Kind: StepUnsuspend, Title: b.titleOf(id), Targets: []int{id}, Note: "starts at once",
		Waits: []Wait{{UntilScheduled, timeouts.Scheduled}, {UntilStarted, timeouts.Started}},
	})
	b.add(Step{Kind: StepFollow, Title: b.titleOf(id), Targets: []int{id}, Waits: []Wait{{UntilEnded, timeouts.Running}}})
	b.add(Step{Kind: StepKeep, Title: b.titleOf(id), Targets: []int{id}, KeepSeconds: new(int32(0))})
	b.cleanup = []Cleanup{{Step: id, Action: CleanupDeleteUnstarted, Title: b.titleOf(id)}}
}

// probeJob is the mover's Job without the data, and with everything that the
// manifest mounts read-only. It is never suspended and has deadlines of its own,
// so that it ends and goes also when its command is killed at any moment.
func (b *builder) probeJob(cache Cache, p policies, task *result.Task) *batchv1.Job {
	m := &mounts{}
	b.addCommonMounts(m, cache, p)
	m.readOnly(func(volume string) bool {
		return volume == repositoryVolume || strings.HasPrefix(volume, moverVolumePrefix)
	})
	job := b.job(m, b.placeProbe(), task)
	job.ObjectMeta = b.meta(Name(NameProbe, b.object, b.in.Env.RunID), RoleProbe)
	job.Spec.Template.Labels[LabelRole] = RoleProbe
	job.Spec.Suspend = nil
	job.Spec.TTLSecondsAfterFinished = new(int32(probeKept / time.Second))
	t := b.in.Options.Timeouts
	// The pod's own deadline begins when it has a node; this one counts before.
	job.Spec.ActiveDeadlineSeconds = new(int64(time.Duration(t.Scheduled+t.Started+t.Running)/time.Second) + int64(probeGrace/time.Second))
	return job
}

// placeProbe is where the volumes of the repository can be mounted.
func (b *builder) placeProbe() placement {
	var places []place
	for _, ref := range b.extraClaims() {
		places = b.addPlace(places, ref.claim, ref.path)
	}
	return placementAmong(places)
}

// readOnly mounts the volumes that are meant read-only.
func (m *mounts) readOnly(meant func(volume string) bool) {
	for i := range m.volumes {
		if !meant(m.volumes[i].Name) {
			continue
		}
		m.mounts[i].ReadOnly = true
		v := m.volumes[i].DeepCopy() // the sources may be the manifest's own
		switch {
		case v.PersistentVolumeClaim != nil:
			v.PersistentVolumeClaim.ReadOnly = true
		case v.NFS != nil:
			v.NFS.ReadOnly = true
		}
		m.volumes[i] = *v
	}
}

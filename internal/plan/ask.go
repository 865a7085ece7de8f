package plan

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// askTimeout bounds the question to the repository.
const askTimeout = result.Duration(2 * time.Minute)

// askIfUnknown asks the repository for the run's tag when the mover has left no
// Result: a snapshot may exist all the same.
func (b *builder) askIfUnknown(r *run, mover *batchv1.Job, task *result.Task) {
	job := b.template(b.askJob(mover, task))
	b.check(job.ownedBy(b.jobOwner(r.job)))
	b.add(Step{
		Kind: StepAsk, Title: "Job " + job.Name(), Object: job, Waits: []Wait{{UntilEnded, askTimeout}},
		Note: "only if the mover leaves no result",
	})
}

// askJob is a Job that lists the source's snapshots: the mover's own, but for
// the data volume, which may be gone or busy. It starts at once.
func (b *builder) askJob(mover *batchv1.Job, task *result.Task) *batchv1.Job {
	ask := mover.DeepCopy()
	ask.Name = Name(NameAsk, b.object, b.in.Env.RunID)
	ask.ObjectMeta = b.meta(ask.Name, roleAsk)
	ask.Spec.Suspend = nil
	question := *task
	question.Operation, question.Backup = result.OperationList, nil
	question.Repository.Create = result.CreateNever
	question.List = &result.ListTask{}
	pod := &ask.Spec.Template
	pod.Labels[LabelRole] = roleAsk
	pod.Annotations[AnnotationTask] = b.encodeTask(&question)
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == dataVolume })
	container := &pod.Spec.Containers[0]
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == dataVolume })
	return ask
}

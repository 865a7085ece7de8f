package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// askJob is the question as a part of the plan.
func (b *builder) askJob(mover *batchv1.Job, task *result.Task) *batchv1.Job {
	return askOf(mover, b.meta(Name(NameAsk, b.object, b.in.Env.RunID), RoleAsk), b.encodeTask(question(task)))
}

// AskStep is the same question for who finds a dead run: it is made from the
// mover's Job as the cluster has it.
func AskStep(mover *batchv1.Job, object result.ObjectRef, task *result.Task) (Step, error) {
	text, err := json.Marshal(question(task))
	if err != nil {
		return Step{}, fmt.Errorf("encode the question to the repository: %w", err)
	}
	labels := maps.Clone(mover.Labels)
	labels[LabelRole] = RoleAsk
	job := askOf(mover, metav1.ObjectMeta{
		Name: Name(NameAsk, object, task.RunID), Namespace: mover.Namespace, Labels: labels,
		Annotations:     map[string]string{AnnotationObject: object.String(), AnnotationVersion: mover.Annotations[AnnotationVersion]},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: mover.Name, UID: mover.UID}},
	}, string(text))
	// What the API server has set for the mover's own pods.
	job.Status, job.Spec.Selector, job.Spec.ManualSelector = batchv1.JobStatus{}, nil, nil
	for _, label := range []string{batchv1.JobNameLabel, batchv1.ControllerUidLabel, "job-name", "controller-uid"} {
		delete(job.Spec.Template.Labels, label)
	}
	template, err := newTemplate(job)
	if err != nil {
		return Step{}, err
	}
	return Step{ID: 2, Kind: StepAsk, Title: "Job " + job.Name, Object: template, Waits: []Wait{{UntilEnded, askTimeout}}}, nil
}

// question is the mover's Task as one that lists the snapshots of every identity: the
// mover alone knows by which path it has recorded the volume, and the run's tag tells
// its snapshot from the others.
func question(task *result.Task) *result.Task {
	q := *task
	q.Operation, q.Backup = result.OperationList, nil
	q.Repository.Create = result.CreateNever
	q.List = &result.ListTask{All: true}
	return &q
}

// askOf is a Job that lists the snapshots: the mover's own, but for the
// data volume, which may be gone or busy. It starts at once.
func askOf(mover *batchv1.Job, meta metav1.ObjectMeta, task string) *batchv1.Job {
	ask := mover.DeepCopy()
	ask.TypeMeta, ask.ObjectMeta = typeMeta("batch/v1", "Job"), meta
	ask.Spec.Suspend = nil
	pod := &ask.Spec.Template
	// Whoever asked may be gone before the answer.
	pod.Spec.ActiveDeadlineSeconds = new(int64(time.Duration(askTimeout) / time.Second))
	pod.Labels[LabelRole] = RoleAsk
	pod.Annotations[AnnotationTask] = task
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == dataVolume })
	container := &pod.Spec.Containers[0]
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == dataVolume })
	return ask
}

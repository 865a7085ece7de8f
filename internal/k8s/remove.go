package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// remove deletes what the steps made, in their order, and sees all of it gone,
// the volumes behind it too where the caller may look at them.
func (t *Target) remove(ctx context.Context, steps ...int) error {
	var copies []*unstructured.Unstructured
	var unknown []error
	for _, id := range steps {
		made, err := t.madeBy(ctx, id)
		if made == nil {
			unknown = append(unknown, err)
			continue
		}
		if newer, _ := t.view.get(made.GetKind(), made.GetName()); newer != nil {
			made = newer
		}
		copies = append(copies, made)
	}
	var pod error
	if slices.ContainsFunc(copies, func(o *unstructured.Unstructured) bool { return o.GetKind() == "PersistentVolumeClaim" }) {
		pod = t.removePod(ctx)
	}
	refused, err := t.cluster.removeInOrder(ctx, copies, t.retained(), t.seeGone)
	t.undeleted = t.undeleted || refused
	return errors.Join(errors.Join(unknown...), pod, err)
}

// podSettles is how long a pod whose container has ended may take to have its
// last phase. A Job counts a pod that is deleted before as failed.
const podSettles = 10 * time.Second

// letPodSettle waits until the mover's pod has its last phase, if its container has
// run. The kubelet takes a second longer to remove a pod that it is still ending.
func (t *Target) letPodSettle(ctx context.Context) {
	settling, cancel := context.WithTimeout(ctx, podSettles)
	defer cancel()
	_ = t.view.until(settling, func() (bool, error) { // if not, then it is deleted as it is
		pod, gone, err := t.pod()
		return pod == nil || gone || pod.DeletionTimestamp != nil || !hasBegun(pod) || hasEnded(pod), err
	})
}

// removePod deletes the mover's pod and sees it gone. Kubernetes keeps a claim
// while any pod names it, also one that has ended (pvc-protection).
func (t *Target) removePod(ctx context.Context) error {
	pod, gone := t.view.pod(t.role)
	if pod == nil || gone {
		return nil
	}
	if lost := t.lostPod(); lost != nil {
		return t.cluster.forgetPod(ctx, lost)
	}
	t.letPodSettle(ctx)
	if err := t.cluster.delete(ctx, pod); err != nil {
		return err
	}
	return t.seeGone(ctx, pod)
}

// lostPod is the mover's pod if its node counts as lost; nil: it does not.
func (t *Target) lostPod() *corev1.Pod {
	pod, gone, err := t.pod()
	if err != nil || pod == nil || gone || hasEnded(pod) || terminated(pod) != nil || !overdue(pod, t.now()) {
		return nil
	}
	return pod
}

// removalIsSlow is how long a removal takes before it is said what holds it: a moment
// passes with every one.
const removalIsSlow = 10 * time.Second

// seeGone waits until an object that was deleted no longer exists, and says what
// holds it.
func (t *Target) seeGone(ctx context.Context, o *unstructured.Unstructured) error {
	seen, _ := t.view.get(o.GetKind(), o.GetName())
	if seen == nil {
		return t.cluster.seeGone(ctx, o)
	}
	began := t.now()
	err := t.waitFor(ctx, o.GetKind()+" "+o.GetName(), plan.Wait{For: plan.UntilRemoved}, func() (state, error) {
		var s state
		if seen, s.done = t.view.get(o.GetKind(), o.GetName()); t.now().Sub(began) > removalIsSlow {
			s.why = heldBy(seen)
		}
		return s, nil
	})
	return stillThere(seen, err)
}

// removeUnstarted deletes the Job unless its mover has begun and goes on: then it
// stays for its log, and its own limit of time removes it. A mover that was told to
// stop has none any more, and a suspended Job no limit. A copy that could not be
// deleted would go with its owner, and leave what its class keeps; an outcome that
// could not be written would be unknown for ever.
func (t *Target) removeUnstarted(ctx context.Context, step int) error {
	made, err := t.madeBy(ctx, step)
	if made == nil {
		return err
	}
	if t.unwritten != nil {
		return t.keepUnwritten(ctx, made, !t.followed || t.suspended)
	}
	if t.followed && !t.suspended || t.hooks.due() { // the Job says which hook is to be run
		return nil
	}
	if pod, gone := t.view.pod(t.role); t.undeleted && (pod == nil || gone) {
		_, err := t.cluster.markCollected(ctx, made, nil, nil)
		return err
	}
	return t.removeJob(ctx, made)
}

// removeJob deletes the mover's Job and sees it gone. It goes after its pod, which is
// watched: the Job is asked for when that is gone.
func (t *Target) removeJob(ctx context.Context, job *unstructured.Unstructured) error {
	if t.lostPod() != nil {
		return t.cluster.forgetJob(ctx, job)
	}
	t.letPodSettle(ctx)
	if err := t.cluster.delete(ctx, job); err != nil {
		return err
	}
	if pod, gone := t.view.pod(t.role); pod != nil && !gone {
		if err := t.seeGone(ctx, pod); err != nil {
			return err
		}
	}
	return t.cluster.seeGone(ctx, job)
}

// keep sets how long the Job stays now that its Result was collected. A
// suspended Job never finishes, so that no limit of time applies to it. With a copy
// that could not be deleted it stays until cleanup has removed that, and as it is with
// an outcome that could not be written.
func (t *Target) keep(ctx context.Context, step plan.Step, mover *result.Result) error {
	job := t.object(step.Targets[0])
	if t.unwritten != nil {
		return errors.Join(t.keepUnwritten(ctx, job, t.suspended || *step.KeepSeconds == 0), t.endHooks(ctx))
	}
	if err := t.endHooks(ctx); err != nil {
		return err
	}
	switch {
	case t.undeleted:
		_, err := t.cluster.markCollected(ctx, job, mover, nil)
		return err
	case t.suspended || *step.KeepSeconds == 0:
		return t.removeJob(ctx, job)
	}
	kept, err := t.cluster.markCollected(ctx, job, mover, step.KeepSeconds)
	if kept != nil && suspended(kept) { // by somebody else: it would stay for ever
		return t.removeJob(ctx, job)
	}
	return err
}

// markCollected marks a Job as collected, puts its Result on it, since its pod may be
// gone, and sets how long it stays; nil: without a limit. It returns the Job, or nil:
// somebody has removed it.
func (c *Cluster) markCollected(ctx context.Context, job metav1.Object, r *result.Result, keepSeconds *int32) (*batchv1.Job, error) {
	patch, err := collectedPatch(r, keepSeconds)
	if err != nil {
		return nil, err
	}
	kept, err := c.patchedJob(ctx, job.GetNamespace(), job.GetName(), patch)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // as documented
	}
	return kept, err
}

// collectedPatch is the change of a Job that markCollected makes.
func collectedPatch(r *result.Result, keepSeconds *int32) ([]byte, error) {
	annotations := map[string]string{plan.AnnotationCollected: "true"}
	if r != nil {
		text, err := result.MarshalBounded(*r, result.TerminationMessageBytes)
		if err != nil {
			return nil, err
		}
		annotations[plan.AnnotationResult] = string(text)
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": annotations},
		"spec":     map[string]any{"ttlSecondsAfterFinished": keepSeconds},
	})
}

// finished reports whether the Job controller has ended the Job.
func finished(j *batchv1.Job) bool {
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func suspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// named is an object as errors name it.
func named(o *unstructured.Unstructured) string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

func ptr[T any](v T) *T { return &v }

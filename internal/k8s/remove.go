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

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// remove deletes what the steps made, in their order, and sees all of it gone,
// the volumes behind it too where the caller may look at them.
func (t *Target) remove(ctx context.Context, steps ...int) error {
	var errs []error
	var behind []backing
	if slices.ContainsFunc(steps, func(id int) bool { o := t.object(id); return o != nil && o.GetKind() == "PersistentVolumeClaim" }) {
		errs = append(errs, t.removePod(ctx))
	}
	for _, id := range steps {
		made := t.object(id)
		if made == nil {
			continue
		}
		if newer, _ := t.view.get(made.GetKind(), made.GetName()); newer != nil {
			made = newer
		}
		behind = append(behind, backingOf(made)...)
		errs = append(errs, t.delete(ctx, made))
	}
	for _, id := range steps {
		if made := t.object(id); made != nil {
			errs = append(errs, t.seeGone(ctx, made))
		}
	}
	for _, b := range behind {
		errs = append(errs, t.seeBackingGone(ctx, b))
	}
	return errors.Join(errs...)
}

// podSettles is how long a pod whose container has ended may take to have its
// last phase. A Job counts a pod that is deleted before as failed.
const podSettles = 10 * time.Second

// removePod deletes the mover's pod and sees it gone. Kubernetes keeps a claim
// while any pod names it, also one that has ended (pvc-protection).
func (t *Target) removePod(ctx context.Context) error {
	pod, gone := t.view.pod(t.role)
	if pod == nil || gone {
		return nil
	}
	settling, cancel := context.WithTimeout(ctx, podSettles)
	defer cancel()
	_ = t.view.until(settling, func() (bool, error) { // if not, then it is deleted as it is
		pod, gone, err := t.pod()
		return pod == nil || gone || !hasBegun(pod) || hasEnded(pod), err
	})
	if err := t.delete(ctx, pod); err != nil {
		return err
	}
	return t.seeGone(ctx, pod)
}

// delete deletes one object of the run.
func (t *Target) delete(ctx context.Context, o *unstructured.Unstructured) error {
	return t.cluster.delete(ctx, o, metav1.DeletePropagationBackground)
}

// seeGone waits until an object that was deleted no longer exists.
func (t *Target) seeGone(ctx context.Context, o *unstructured.Unstructured) error {
	seen, _ := t.view.get(o.GetKind(), o.GetName())
	if seen == nil {
		return t.cluster.seeGone(ctx, o)
	}
	return stillThere(o, t.view.until(ctx, func() (bool, error) {
		_, gone := t.view.get(o.GetKind(), o.GetName())
		return gone, nil
	}))
}

// backing is the cluster-scoped object behind one that is deleted.
type backing struct{ kind, name string }

// backingOf names what the storage made for a claim or a snapshot.
func backingOf(o *unstructured.Unstructured) []backing {
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
	return []backing{b}
}

// seeBackingGone waits until what stood behind a deleted object is gone. Without
// the right to read it that is not known, and nothing is said.
func (t *Target) seeBackingGone(ctx context.Context, b backing) error {
	client, err := t.cluster.objects(b.kind, "")
	if err != nil {
		return err
	}
	err = untilNotFound(ctx, func(ctx context.Context) error {
		_, err := client.Get(ctx, b.name, metav1.GetOptions{})
		return err
	})
	if err == nil || apierrors.IsForbidden(err) {
		return nil
	}
	return fault.New(fault.Leftover, "its claim or snapshot is gone and it is still there: %w", err).At(b.kind + " " + b.name)
}

// removeUnstarted deletes the Job unless its mover has begun: then it stays for
// its log, and its own limit of time removes it.
func (t *Target) removeUnstarted(ctx context.Context, step int) error {
	made := t.object(step)
	if made == nil {
		return nil
	}
	if t.followed || t.hooks.due() { // it says which hook is to be run
		return nil
	}
	return t.removeJob(ctx, made)
}

// removeJob deletes the Job and sees it and its pod gone.
func (t *Target) removeJob(ctx context.Context, job *unstructured.Unstructured) error {
	errs := []error{t.delete(ctx, job), t.seeGone(ctx, job)}
	if pod, gone := t.view.pod(t.role); pod != nil && !gone {
		errs = append(errs, t.seeGone(ctx, pod))
	}
	return errors.Join(errs...)
}

// keep sets how long the Job stays now that its Result was collected. A
// suspended Job never finishes, so that no limit of time applies to it.
func (t *Target) keep(ctx context.Context, step plan.Step, mover *result.Result) error {
	if err := t.endHooks(ctx); err != nil {
		return err
	}
	job := t.object(step.Targets[0])
	if t.suspended || *step.KeepSeconds == 0 {
		return t.removeJob(ctx, job)
	}
	patch, err := collectedPatch(mover, *step.KeepSeconds)
	if err != nil {
		return err
	}
	kept, err := t.cluster.patchedJob(ctx, job.GetNamespace(), job.GetName(), patch)
	if err == nil && suspended(kept) { // by somebody else: it would stay for ever
		return t.removeJob(ctx, job)
	}
	return err
}

// collectedPatch marks a Job as collected, puts its Result on it, since its pod
// may be gone, and sets how long it stays.
func collectedPatch(r *result.Result, keepSeconds int32) ([]byte, error) {
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

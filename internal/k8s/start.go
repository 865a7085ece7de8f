package k8s

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// startSettles is how long a mover that was told to stop before it was seen to have
// started may take to go or to begin.
const startSettles = 10 * time.Second

// start lets the Job run and waits until the mover's container has started. Log
// and pod are watched before, as a cancelled pod goes at once.
func (t *Target) start(ctx context.Context, step plan.Step) (*result.Result, error) {
	t.listen(ctx)
	if err := t.view.watch(ctx, "Pod"); err != nil {
		return nil, err
	}
	t.began = t.now()
	job := t.object(step.Targets[0])
	if held, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend"); held { // a probe is not
		if err := t.cluster.unsuspend(ctx, job.GetNamespace(), job.GetName(), t.began); err != nil {
			return t.startFailed(ctx, step, err) // the answer may have been lost, and not the request
		}
		if step.Status != nil {
			t.tellStart(ctx, step)
		}
	}
	for _, w := range step.Waits {
		look := func() (state, error) { return t.scheduledState(ctx, job.GetName(), w) }
		if w.For == plan.UntilStarted {
			look = t.startedState
		}
		if err := t.waitFor(ctx, "the mover", w, look); err != nil {
			return t.startEnded(ctx, step, err)
		}
	}
	if pod, _, err := t.pod(); err == nil && pod != nil && pod.Spec.NodeName != "" {
		t.tell(result.EventReached, "mover %s started on node %s", pod.Name, pod.Spec.NodeName)
	}
	return nil, nil
}

// detach leaves the Lease to the Job, the last of what a command does that follows no
// mover. One that has ended already leaves it to the clean-up.
func (t *Target) detach(ctx context.Context, mover *result.Result) {
	if mover != nil {
		return
	}
	if err := t.lease.detach(ctx); err != nil { // the Job blocks by itself
		t.say("the Lease could not be left to the Job: %v", err)
	}
}

// startEnded is what becomes of a start that is waited for no longer.
func (t *Target) startEnded(ctx context.Context, step plan.Step, err error) (*result.Result, error) {
	var stopped stoppedError
	if !errors.As(err, &stopped) {
		return t.startFailed(ctx, step, err)
	}
	collect := run.Collector{Observer: t.observer, Task: t.plan.Task, Began: t.began, Now: t.now}
	r := collect.Agree(nil, podNeverMade)
	neverStarted(r)
	nameWhoStopped(r, stopped.job, nil)
	return r, nil
}

// podNeverMade is how a mover ended whose Job was stopped before it had a pod.
const podNeverMade = "the mover's pod was never made"

// startFailed ends a start that was cancelled or cannot succeed: the mover is told
// to stop first, so that it does not begin while it is judged. One that has begun
// all the same is heard.
func (t *Target) startFailed(ctx context.Context, step plan.Step, err error) (*result.Result, error) {
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), startSettles)
	defer cancel()
	job := t.object(step.Targets[0])
	t.suspended = true
	if err := t.cluster.suspend(settling, job.GetNamespace(), job.GetName(), err); err != nil {
		t.say("the mover could not be told to stop: %v", err)
	}
	_ = t.view.until(settling, func() (bool, error) { // if not, then it is judged as it is
		pod, gone, err := t.pod()
		return pod == nil || gone || mayHaveBegun(pod), err
	})
	if pod, _, _ := t.pod(); pod != nil && mayHaveBegun(pod) {
		return t.followUntil(ctx, plan.Step{ID: step.ID, Kind: plan.StepFollow, Targets: step.Targets}, err)
	}
	return nil, err
}

// unsuspend lets the Job start, and notes when.
func (c *Cluster) unsuspend(ctx context.Context, namespace, job string, now time.Time) error {
	return c.patchJob(ctx, namespace, job, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}},"spec":{"suspend":false}}`,
		plan.AnnotationStarted, now.UTC().Format(time.RFC3339)))
}

// suspend stops the Job because of cause, which is noted: its pod gets SIGTERM and
// its grace period.
func (c *Cluster) suspend(ctx context.Context, namespace, job string, cause error) error {
	patch, err := stopPatch(cause)
	if err != nil {
		return err
	}
	return c.patchJob(ctx, namespace, job, patch)
}

func (c *Cluster) patchJob(ctx context.Context, namespace, job string, patch []byte) error {
	_, err := c.patchedJob(ctx, namespace, job, patch)
	return err
}

// patchedJob changes a Job and returns what it is now.
func (c *Cluster) patchedJob(ctx context.Context, namespace, job string, patch []byte) (*batchv1.Job, error) {
	var patched *batchv1.Job
	err := patientlyChanging(ctx, func(ctx context.Context) error {
		var err error
		patched, err = c.typed.BatchV1().Jobs(namespace).Patch(ctx, job, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
		return err
	})
	if err != nil {
		return nil, fault.New(fault.Failed, "change it: %w", err).At("Job " + namespace + "/" + job)
	}
	return patched, nil
}

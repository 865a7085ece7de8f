package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// collect does for a run whose mover has ended what its dead command would have
// done: ask the repository if need be, write status and history, remove the copy,
// and say how long the Job stays. res is brought up to date.
func (c *Cluster) collect(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) (unwritten, err error) {
	if res == nil {
		if res, err = c.resultOf(ctx, r, now); err != nil {
			return nil, err
		}
	}
	*res = *r.settled(res)
	if res.Object.Name == "" { // a Result that was cut to fit
		res.Object = r.Object
	}
	if !r.kept {
		if err := c.askFor(ctx, r, res, now, say); err != nil {
			return nil, err
		}
	}
	return c.settle(ctx, r, res, now, say)
}

// settle writes and removes what a run with this Result writes and removes. An
// after hook that is due comes first, and what there is to say of it goes into
// the Result; one that stays due keeps the Job, which says so. So does a history
// that could not be written: then the Result is kept on the Job, for the pod goes
// with the copy.
func (c *Cluster) settle(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) (unwritten, err error) {
	warning, due := c.endDeadHook(ctx, r, now, say)
	if due != nil {
		warning = &result.Warning{Code: plan.CodeHookFailed, Message: due.Error()}
	}
	if warning != nil {
		*res = withWarning(*res, *warning)
	}
	w := writer{cluster: c, object: res.Object, live: r.job.Annotations[plan.AnnotationWritesStatus] == "true"}
	remembered, unwritten := w.write(ctx, r.historyOf(res.Object), r.finishedRun(*res, now()))
	if !remembered {
		if err := c.keepResult(ctx, r.job, res); err != nil {
			return unwritten, err
		}
	}
	if err := errors.Join(c.removeCopies(ctx, r, now()), due); err != nil || !remembered {
		return unwritten, err
	}
	if r.lost(now()) && suspended(r.job) {
		return unwritten, c.forgetJob(ctx, identified("Job", r.job))
	}
	return unwritten, c.keepCollected(ctx, r, res)
}

// historyOf is the history ConfigMap that the run's plan had.
func (r Run) historyOf(object result.ObjectRef) *corev1.ConfigMap {
	m := historyOf(object)
	m.Annotations[plan.AnnotationVersion] = r.job.Annotations[plan.AnnotationVersion]
	return m
}

// keepResult keeps the Result on the Job, which nobody has collected yet.
func (c *Cluster) keepResult(ctx context.Context, job metav1.Object, res *result.Result) error {
	text, err := result.MarshalBounded(*res, result.TerminationMessageBytes)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{plan.AnnotationResult: string(text)}}})
	if err != nil {
		return err
	}
	return c.patchJob(ctx, job.GetNamespace(), job.GetName(), patch)
}

// keepCollected marks the Job as collected and lets it go when its command would
// have.
func (c *Cluster) keepCollected(ctx context.Context, r Run, res *result.Result) error {
	keep, err := strconv.ParseInt(r.job.Annotations[plan.AnnotationKeep], 10, 32)
	if err != nil || keep == 0 || suspended(r.job) {
		return c.deleteJob(ctx, r.job)
	}
	_, err = c.markCollected(ctx, r.job, res, ptr(int32(keep)))
	return err
}

package k8s

import (
	"context"
	"errors"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// Collect does for a run whose mover has ended what its dead command would have
// done: write status and history, remove the copy, and say how long the Job
// stays. It returns the run's Result. say tells people of an after hook that is
// run in the application.
func (c *Cluster) Collect(ctx context.Context, r Run, now func() time.Time, say func(string, ...any)) (*result.Result, error) {
	res, err := c.resultOf(ctx, r, now)
	if err != nil {
		return nil, err
	}
	return res, c.settle(ctx, r, res, now, say)
}

// settle writes and removes what a run with this Result writes and removes. An
// after hook that is due comes first, and what there is to say of it goes into
// the Result; one that stays due keeps the Job, which says so.
func (c *Cluster) settle(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) error {
	warning, due := c.endDeadHook(ctx, r, now, say)
	if due != nil {
		warning = &result.Warning{Code: plan.CodeHookFailed, Message: due.Error()}
	}
	if warning != nil {
		*res = withWarning(*res, *warning)
	}
	w := writer{cluster: c, object: res.Object, live: r.job.Annotations[plan.AnnotationWritesStatus] == "true"}
	if err := w.write(ctx, c.historyOf(r), r.finishedRun(*res, now())); err != nil {
		return err
	}
	if err := errors.Join(c.removeCopies(ctx, r), due); err != nil {
		return err
	}
	return c.keepCollected(ctx, r, res)
}

// resultOf is the Result of a finished run: from its pod, its log, or else what
// is known without either.
func (c *Cluster) resultOf(ctx context.Context, r Run, now func() time.Time) (*result.Result, error) {
	task, err := r.task()
	if err != nil {
		return nil, err
	}
	collect := run.Collector{Observer: deaf{}, Task: task, Began: r.Began, Now: now}
	var message []byte
	if r.pod != nil {
		if end := terminated(r.pod); end != nil {
			message = []byte(end.Message)
		}
		reader := logReader{cluster: c, namespace: r.pod.Namespace, pod: r.pod.Name, line: collect.Line, ended: func() bool { return true }, last: collect.Ended}
		reading, cancel := context.WithTimeout(ctx, logMargin)
		defer cancel()
		reader.read(reading)
	}
	how, hint := ending(r.pod, false)
	res := collect.Agree(message, how)
	if res.Outcome == result.Unknown && hint != "" {
		res.Hint = hint
	}
	return res, nil
}

// deaf is an Observer for a log whose events came too late to be shown.
type deaf struct{}

func (deaf) Observe(result.Event) {}

// historyOf is the history ConfigMap of a run's object, as the plan made it.
func (c *Cluster) historyOf(r Run) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: plan.Name(plan.NameStatus, r.Object, ""), Namespace: r.Object.Namespace,
		Labels:      map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelSource: plan.SourceLabel(r.Object), plan.LabelRole: plan.RoleHistory},
		Annotations: map[string]string{plan.AnnotationObject: r.Object.String()},
	}}
	return m
}

// removeCopies deletes the copy's claim and snapshot, in this order, and sees
// them gone. All of a run's objects carry its label. While a pod names a claim
// Kubernetes keeps it, so the pod goes first if there is one.
func (c *Cluster) removeCopies(ctx context.Context, r Run) error {
	var errs []error
	for _, kind := range []string{"PersistentVolumeClaim", "VolumeSnapshot"} {
		objects, err := c.objects(kind, r.Object.Namespace)
		if err != nil {
			return err
		}
		list, err := objects.List(ctx, metav1.ListOptions{LabelSelector: plan.LabelRun + "=" + r.ID})
		if apierrors.IsNotFound(err) { // without the snapshot API there are none
			continue
		}
		if err != nil {
			errs = append(errs, fault.New(fault.Leftover, "look for the copies of run %s: %w", r.ID, err))
			continue
		}
		if kind == "PersistentVolumeClaim" && len(list.Items) > 0 {
			errs = append(errs, c.removePods(ctx, r))
		}
		for i := range list.Items {
			errs = append(errs, c.deleteAndSee(ctx, &list.Items[i]))
		}
	}
	return errors.Join(errs...)
}

// removePods deletes the run's pods and sees them gone.
func (c *Cluster) removePods(ctx context.Context, r Run) error {
	pods, err := c.objects("Pod", r.Object.Namespace)
	if err != nil {
		return err
	}
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: plan.LabelRun + "=" + r.ID})
	if err != nil {
		return fault.New(fault.Leftover, "look for the pod of run %s: %w", r.ID, err)
	}
	var errs []error
	for i := range list.Items {
		errs = append(errs, c.deleteAndSee(ctx, &list.Items[i]))
	}
	return errors.Join(errs...)
}

// keepCollected marks the Job as collected and lets it go when its command would
// have.
func (c *Cluster) keepCollected(ctx context.Context, r Run, res *result.Result) error {
	keep, err := strconv.ParseInt(r.job.Annotations[plan.AnnotationKeep], 10, 32)
	if err != nil || keep == 0 || suspended(r.job) {
		return c.deleteJob(ctx, r.job)
	}
	patch, err := collectedPatch(res, int32(keep))
	if err != nil {
		return err
	}
	return c.patchJob(ctx, r.job.Namespace, r.job.Name, patch)
}

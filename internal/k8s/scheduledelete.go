package k8s

import (
	"context"
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// scheduleKinds are the kinds of a schedule's objects in the order in which they are
// removed: nothing starts without the CronJob, and what runs needs its rights to the end.
func scheduleKinds() []string {
	return []string{"CronJob", "ConfigMap", "RoleBinding", "Role", "ServiceAccount"}
}

// DeleteSchedule deletes the objects of a schedule and the Jobs of its CronJob, and sees
// them gone; an empty kind is any. It is refused while a Job of it runs, unless force is
// given: then that is told to stop and waited for, while it still has its rights. It
// returns what is gone.
func (c *Cluster) DeleteSchedule(ctx context.Context, namespace, kind, name string, force bool) ([]*unstructured.Unstructured, error) {
	objects, err := c.scheduleObjects(ctx, namespace, kind, name)
	if err != nil {
		return nil, err
	}
	d := &deletion{cluster: c, objects: objects, force: force}
	if objects[0].GetKind() == "CronJob" {
		d.cron, d.objects = objects[0], objects[1:]
	}
	d.source, d.again = objects[0].GetLabels()[plan.LabelSource], "kubectl volsync-kopia schedule delete "+name+" -n "+namespace
	err = d.run(ctx, named(objects[0]))
	if err != nil && ctx.Err() != nil {
		cause := context.Cause(ctx)
		err = fault.New(fault.KindOf(cause), "%w: %w", cause, err).WithHint(d.again + " deletes what is left")
	}
	return d.gone, err
}

// deletion is that of one schedule.
type deletion struct {
	cluster *Cluster
	// cron is the CronJob, or nil; objects are the others, in the order of their removal.
	cron    *unstructured.Unstructured
	objects []*unstructured.Unstructured
	// source is the label of the schedule's object; again is the command, for hints.
	source, again string
	force         bool
	// changed is true when something was deleted that does not come back.
	changed bool
	gone    []*unstructured.Unstructured
}

// run looks first and changes nothing if it cannot do all. From then on nothing starts:
// the CronJob is suspended before the Jobs are listed that count.
func (d *deletion) run(ctx context.Context, title string) error {
	jobs, err := d.active(ctx)
	if err != nil {
		return err
	}
	if err := d.mayDelete(ctx, jobs); err != nil {
		return err
	}
	if err := d.refuse(jobs, title); err != nil {
		return err
	}
	suspended, err := d.suspend(ctx)
	if err != nil {
		return err
	}
	cronGoes, err := d.endCronJob(ctx, title)
	if err != nil {
		if suspended && !cronGoes {
			err = errors.Join(err, d.resume(ctx))
		}
		return err
	}
	var left []error
	for _, o := range d.objects {
		if ctx.Err() != nil {
			left = append(left, context.Cause(ctx))
			break
		}
		left = append(left, d.remove(ctx, o))
	}
	return errors.Join(left...)
}

// endCronJob cancels what runs, whether or not there is a CronJob, and then deletes that.
// A Job that a late tick or run-now has made meanwhile is ended too, as long as it has
// its rights.
func (d *deletion) endCronJob(ctx context.Context, title string) (goes bool, err error) {
	jobs, err := d.active(ctx)
	if err != nil {
		return false, err
	}
	if err := d.refuse(jobs, title); err != nil {
		return false, err
	}
	if err := d.cancel(ctx, jobs); err != nil || d.cron == nil {
		return false, err
	}
	foreground := metav1.DeletePropagationForeground
	if err := d.cluster.deleteWith(ctx, d.cron, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return false, d.unlessChanged(err)
	}
	d.changed = true
	if err := d.cancelLate(ctx); err != nil {
		return true, err
	}
	if err := d.see(ctx, d.cluster, d.cron); err != nil {
		return true, err
	}
	d.gone = append(d.gone, d.cron)
	return true, d.cancelLate(ctx)
}

// active are the Jobs of the schedule that have not finished.
func (d *deletion) active(ctx context.Context) ([]batchv1.Job, error) {
	jobs, err := d.cluster.driverJobs(ctx, d.namespace())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(jobs, func(j batchv1.Job) bool {
		return finished(&j) || j.Labels[plan.LabelSource] != d.source
	}), nil
}

func (d *deletion) namespace() string {
	if d.cron != nil {
		return d.cron.GetNamespace()
	}
	return d.objects[0].GetNamespace()
}

// mayDelete is refused with all rights that the caller lacks to delete all there is.
func (d *deletion) mayDelete(ctx context.Context, jobs []batchv1.Job) error {
	var asked []intent
	if d.cron != nil {
		asked = append(asked, intent{d.cron, []string{"get", "patch", "delete"}})
	}
	for _, o := range d.objects {
		asked = append(asked, intent{o, []string{"get", "delete"}})
	}
	for i := range jobs {
		if d.force {
			asked = append(asked, intent{identified("Job", &jobs[i]), []string{"get", "delete"}})
		}
	}
	return d.cluster.mayDo(ctx, d.namespace(), asked, scheduleHint)
}

// refuse refuses while a Job runs that may not be cancelled.
func (d *deletion) refuse(jobs []batchv1.Job, title string) error {
	if len(jobs) == 0 || d.force {
		return nil
	}
	var names []string
	for i := range jobs {
		names = append(names, jobs[i].Name)
	}
	return fault.New(fault.Refused, "it runs: %s", jobNames(names)).At(title).
		WithHint("wait for its end: kubectl logs -f job/" + names[0] + " -n " + d.namespace() + "; or give --force, which cancels it and waits until it has cleaned up")
}

// suspend keeps the CronJob from making another Job; false: there was nothing to do.
func (d *deletion) suspend(ctx context.Context) (bool, error) {
	if d.cron == nil {
		return false, nil
	}
	if already, _, _ := unstructured.NestedBool(d.cron.Object, "spec", "suspend"); already {
		return false, nil
	}
	err := d.cluster.setSuspend(ctx, d.cron, true)
	if err == nil || apierrors.IsNotFound(err) {
		return true, nil
	}
	failed := error(cannotSchedule(cannot(err, "change spec.suspend").At(named(d.cron))))
	if !isAnswer(err) { // it may be suspended all the same
		failed = errors.Join(failed, d.resume(ctx))
	}
	return false, failed
}

// resume lets a schedule go on that was not deleted.
func (d *deletion) resume(ctx context.Context) error {
	resuming, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	err := d.cluster.setSuspend(resuming, d.cron, false)
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fault.New(fault.Leftover, "it stays suspended: %w", err).At(named(d.cron)).
		WithHint("kubectl volsync-kopia schedule resume lets it go on")
}

// cancel tells Jobs to stop, and waits for as long as their pods may take to clean up.
func (d *deletion) cancel(ctx context.Context, jobs []batchv1.Job) error {
	for i := range jobs {
		if err := d.cluster.delete(ctx, identified("Job", &jobs[i])); err != nil {
			return d.unlessChanged(err)
		}
		d.changed = true
	}
	patient := *d.cluster
	for i := range jobs {
		if d.cluster.removal > 0 {
			patient.removal = d.cluster.removal + graceOf(&jobs[i])
		}
		if err := d.see(ctx, &patient, identified("Job", &jobs[i])); err != nil {
			return err
		}
	}
	return nil
}

// cancelLate ends what was begun while the CronJob was being deleted, which the garbage
// collector ends in any case.
func (d *deletion) cancelLate(ctx context.Context) error {
	jobs, err := d.active(ctx)
	if err != nil {
		return fault.New(fault.Leftover, "%w", err).WithHint(d.again + " deletes the rest")
	}
	return d.cancel(ctx, jobs)
}

// remove deletes one of the other objects and sees it gone.
func (d *deletion) remove(ctx context.Context, o *unstructured.Unstructured) error {
	if err := d.cluster.delete(ctx, o); err != nil {
		return d.unlessChanged(err)
	}
	d.changed = true
	if err := d.see(ctx, d.cluster, o); err != nil {
		return err
	}
	d.gone = append(d.gone, o)
	return nil
}

// see waits until an object is gone. This command looks again, not cleanup, which leaves
// schedules alone.
func (d *deletion) see(ctx context.Context, c *Cluster, o *unstructured.Unstructured) error {
	err := c.seeGone(ctx, o)
	var f *fault.Error
	if errors.As(err, &f) {
		f.Hint = describeHint(o) + "; " + d.again + " looks again"
	}
	return err
}

// unlessChanged is the error of an object that cannot be deleted: nothing is left over
// where nothing was deleted.
func (d *deletion) unlessChanged(err error) error {
	var f *fault.Error
	if d.changed || !errors.As(err, &f) {
		return err
	}
	f.Kind = fault.Failed
	if apierrors.IsForbidden(err) {
		f.Kind, f.Hint = fault.Refused, scheduleHint
	}
	return err
}

// scheduleObjects finds what there is of a schedule, in the order of its removal.
func (c *Cluster) scheduleObjects(ctx context.Context, namespace, kind, name string) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	kinds := map[string]bool{}
	for _, k := range scheduleKinds() {
		client, err := c.objects(k, namespace)
		if err != nil {
			return nil, err
		}
		list, err := listed(ctx, client.List, metav1.ListOptions{LabelSelector: ofSchedules})
		if err != nil {
			return nil, cannotSchedule(cannotList(err, namespace, "list the objects of schedules"))
		}
		for i := range list.Items {
			if o := &list.Items[i]; isNamed(objectOf(o), kind, name) {
				kinds[objectOf(o).Kind] = true
				found = append(found, o)
			}
		}
	}
	switch len(kinds) {
	case 0:
		return nil, noSchedule(namespace, name)
	case 1:
		return found, nil
	}
	return nil, ambiguous(name)
}

// graceOf is how long a Job's pods may take to stop.
func graceOf(j *batchv1.Job) time.Duration {
	const usual = 30 // seconds, as Kubernetes has it
	seconds := int64(usual)
	if s := j.Spec.Template.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return time.Duration(seconds) * time.Second
}

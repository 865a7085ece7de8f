package k8s

import (
	"context"
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
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
	jobs, err := c.activeJobs(ctx, namespace, objects)
	if err != nil {
		return nil, err
	}
	if len(jobs) > 0 && !force {
		var names []string
		for _, j := range jobs {
			names = append(names, j.Name)
		}
		return nil, fault.New(fault.Refused, "it runs: %s", jobNames(names)).At(named(objects[0])).
			WithHint("wait for its end: kubectl logs -f job/" + names[0] + " -n " + namespace + "; or give --force, which cancels it and waits until it has cleaned up")
	}
	var gone []*unstructured.Unstructured
	var left []error
	for _, o := range objects {
		if err := c.deleteOfSchedule(ctx, o, jobs); err != nil {
			if left = append(left, err); o.GetKind() == "CronJob" {
				break // what may still run needs the rest
			}
			continue
		}
		gone = append(gone, o)
	}
	return gone, errors.Join(left...)
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

// activeJobs are the Jobs of the objects' CronJob that have not finished.
func (c *Cluster) activeJobs(ctx context.Context, namespace string, objects []*unstructured.Unstructured) ([]batchv1.Job, error) {
	jobs, err := c.driverJobs(ctx, namespace)
	if err != nil {
		return nil, err
	}
	source := plan.SourceLabel(objectOf(objects[0]))
	return slices.DeleteFunc(jobs, func(j batchv1.Job) bool {
		return finished(&j) || j.Labels[plan.LabelSource] != source
	}), nil
}

// deleteOfSchedule deletes one object and sees it gone, a CronJob with its Jobs and
// their pods: those that run may take as long as they are given to stop.
func (c *Cluster) deleteOfSchedule(ctx context.Context, o *unstructured.Unstructured, jobs []batchv1.Job) error {
	if o.GetKind() != "CronJob" {
		return c.deleteAndSee(ctx, o)
	}
	foreground := metav1.DeletePropagationForeground
	if err := c.deleteWith(ctx, o, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return err
	}
	patient := *c
	for i := range jobs {
		if patient.removal > 0 {
			patient.removal = c.removal + graceOf(&jobs[i])
		}
		if err := patient.deleteJob(ctx, &jobs[i]); err != nil { // the CronJob does not take one with it that somebody has made
			return err
		}
	}
	return patient.seeGone(ctx, o)
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

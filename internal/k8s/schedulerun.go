package k8s

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// annotationInstantiate marks a Job that somebody has made from a CronJob, as kubectl
// create job --from does.
const annotationInstantiate = "cronjob.kubernetes.io/instantiate"

// RunNow makes a Job from the schedule's CronJob, as kubectl create job --from does; its
// name ends with the suffix. It is refused while another of its Jobs runs.
func (c *Cluster) RunNow(ctx context.Context, s Schedule, suffix string) (*batchv1.Job, error) {
	if len(s.Active) > 0 {
		return nil, fault.New(fault.Refused, "it runs already: %s", jobNames(s.Active)).At(s.title()).WithHint(s.followHint(s.Active[0]))
	}
	job := s.manualJob(suffix)
	jobs := c.typed.BatchV1().Jobs(job.Namespace)
	var made *batchv1.Job
	err := patiently(ctx, func(ctx context.Context) error {
		var err error
		made, err = jobs.Create(ctx, job, metav1.CreateOptions{FieldManager: plan.ManagedBy})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		found, getErr := jobs.Get(ctx, job.Name, metav1.GetOptions{})
		if getErr == nil && metav1.IsControlledBy(found, s.cron) { // the answer was lost
			made = found
			return nil
		}
		return err
	})
	if err != nil {
		return nil, cannotSchedule(cannot(err, "make Job "+job.Namespace+"/"+job.Name))
	}
	return made, nil
}

// manualJob is a Job of the CronJob. Deleting the CronJob does not wait for it, for
// that would take a right on the CronJob's finalizers.
func (s Schedule) manualJob(suffix string) *batchv1.Job {
	template := s.cron.Spec.JobTemplate.DeepCopy()
	annotations := map[string]string{annotationInstantiate: "manual"}
	maps.Copy(annotations, template.Annotations)
	controller := true
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.CronJob + "-" + suffix, Namespace: s.cron.Namespace, Labels: template.Labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "CronJob", Name: s.cron.Name, UID: s.cron.UID, Controller: &controller,
			}},
		},
		Spec: template.Spec,
	}
}

// Suspend stops a schedule from starting runs, or lets it go on; changed is false when
// it was so already. A run that has begun goes on.
func (c *Cluster) Suspend(ctx context.Context, s Schedule, suspend bool) (changed bool, err error) {
	if s.Suspended == suspend {
		return false, nil
	}
	if err := c.setSuspend(ctx, s.cron, suspend); err != nil {
		return false, cannotSchedule(cannot(err, "change spec.suspend").At(s.title()))
	}
	return true, nil
}

// setSuspend changes a CronJob, and no other of its name.
func (c *Cluster) setSuspend(ctx context.Context, cron metav1.Object, suspend bool) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": cron.GetUID()}, "spec": map[string]any{"suspend": suspend}})
	if err != nil {
		return err
	}
	return patientlyChanging(ctx, func(ctx context.Context) error {
		_, err := c.typed.BatchV1().CronJobs(cron.GetNamespace()).
			Patch(ctx, cron.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
		return err
	})
}

// title names the CronJob as errors do.
func (s Schedule) title() string { return "CronJob " + s.cron.Namespace + "/" + s.cron.Name }

// followHint says how a Job of the schedule is followed.
func (s Schedule) followHint(job string) string {
	return "kubectl logs -f job/" + job + " -n " + s.cron.Namespace + " follows it"
}

func jobNames(names []string) string { return "Job " + strings.Join(names, ", Job ") }

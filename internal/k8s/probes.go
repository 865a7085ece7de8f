package k8s

import (
	"context"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// probeOver is how long a command may take to remove a probe that has ended.
const probeOver = 15 * time.Second

// deadProbes lists the probes that have ended and that their commands have not
// removed. One that runs is left alone: it ends by itself, and soon.
func (c *Cluster) deadProbes(ctx context.Context, namespace string, now time.Time) ([]batchv1.Job, error) {
	jobs, err := c.typed.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + "=" + plan.RoleProbe,
	})
	if err != nil {
		return nil, cannot(err, "list the probes")
	}
	return slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool {
		return !finished(&j) || now.Sub(endOf(&j)) < probeOver
	}), nil
}

// endOf is when a finished Job has finished.
func endOf(j *batchv1.Job) time.Time {
	var end time.Time
	for _, condition := range j.Status.Conditions {
		if condition.LastTransitionTime.After(end) {
			end = condition.LastTransitionTime.Time
		}
	}
	return end
}

// RemoveProbe deletes a probe that its command has left, with its pod.
func (c *Cluster) RemoveProbe(ctx context.Context, probe *batchv1.Job) error {
	return c.deleteJob(ctx, probe)
}

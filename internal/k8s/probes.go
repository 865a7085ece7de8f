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

// questions lists the Jobs that ask a repository: probes, and those that look for the
// snapshot of a run whose mover has left no Result.
func (c *Cluster) questions(ctx context.Context, namespace string) ([]batchv1.Job, error) {
	jobs, err := listed(ctx, c.typed.BatchV1().Jobs(namespace).List, metav1.ListOptions{
		LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + " in (" + plan.RoleProbe + "," + plan.RoleAsk + ")",
	})
	if err != nil {
		return nil, cannotList(err, namespace, "list the questions to repositories")
	}
	return jobs.Items, nil
}

// deadProbes are the probes that have ended and that their commands have not
// removed. One that runs is left alone: it ends by itself, and soon.
func deadProbes(questions []batchv1.Job, now time.Time) []batchv1.Job {
	return slices.DeleteFunc(slices.Clone(questions), func(j batchv1.Job) bool {
		return j.Labels[plan.LabelRole] != plan.RoleProbe || !finished(&j) || now.Sub(endOf(&j)) < probeOver
	})
}

// asksFor reports whether one of the questions is for the run's snapshot.
func asksFor(runID string, questions []batchv1.Job) bool {
	return slices.ContainsFunc(questions, func(j batchv1.Job) bool {
		return j.Labels[plan.LabelRole] == plan.RoleAsk && j.Labels[plan.LabelRun] == runID
	})
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

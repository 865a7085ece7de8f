package k8s

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// RunState is how far a run is, by its Job.
type RunState string

// The states of a run.
const (
	// RunPrepared: the mover has not been started.
	RunPrepared RunState = "Prepared"
	RunRunning  RunState = "Running"
	// RunCancelled: the mover was told to stop, and nobody has collected what it
	// left.
	RunCancelled RunState = "Cancelled"
	// RunFinished: the mover has ended; RunCollected: its Result was collected.
	RunFinished  RunState = "Finished"
	RunCollected RunState = "Collected"
)

// Run is one run that the cluster holds, live or finished.
type Run struct {
	ID     string
	Object result.ObjectRef
	State  RunState
	// Began is when the Job was made.
	Began time.Time
	// Result is what the mover left; nil: it has not ended, or left nothing.
	Result *result.Result

	job *batchv1.Job
	pod *corev1.Pod
}

// Runs lists the runs of a namespace, oldest first; all namespaces when it is
// empty.
func (c *Cluster) Runs(ctx context.Context, namespace string) ([]Run, error) {
	ours := metav1.ListOptions{LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + "=" + plan.RoleMover}
	jobs, err := c.typed.BatchV1().Jobs(namespace).List(ctx, ours)
	if err != nil {
		return nil, fault.New(fault.Failed, "list the runs: %w", err)
	}
	if len(jobs.Items) == 0 {
		return nil, nil
	}
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, ours)
	if err != nil {
		return nil, fault.New(fault.Failed, "list the movers: %w", err)
	}
	runs := make([]Run, 0, len(jobs.Items))
	for i := range jobs.Items {
		runs = append(runs, runOf(&jobs.Items[i], pods.Items))
	}
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID))
	})
	return runs, nil
}

// runOf is the run of a Job.
func runOf(job *batchv1.Job, pods []corev1.Pod) Run {
	r := Run{
		ID: job.Labels[plan.LabelRun], Object: objectOf(job), Began: job.CreationTimestamp.Time, job: job,
	}
	for i := range pods {
		if metav1.IsControlledBy(&pods[i], job) {
			r.pod = &pods[i]
		}
	}
	switch {
	case job.Annotations[plan.AnnotationCollected] != "":
		r.State = RunCollected
	case finished(job) || r.pod != nil && hasEnded(r.pod): // the Job controller is 2 seconds behind
		r.State = RunFinished
	case suspended(job) && job.Annotations[plan.AnnotationStarted] != "":
		r.State = RunCancelled
	case suspended(job):
		r.State = RunPrepared
	default:
		r.State = RunRunning
	}
	if r.pod != nil {
		if end := terminated(r.pod); end != nil {
			r.Result, _ = result.Decode([]byte(end.Message)) // a mover that left none is judged by its collector
		}
	}
	if kept := job.Annotations[plan.AnnotationResult]; kept != "" {
		r.Result, _ = result.Decode([]byte(kept)) // written by this tool, whole or not at all
	}
	return r
}

// objectOf names the object that a Job runs for, from its annotation
// "Kind namespace/name".
func objectOf(job *batchv1.Job) result.ObjectRef {
	kind, full, _ := strings.Cut(job.Annotations[plan.AnnotationObject], " ")
	namespace, name, _ := strings.Cut(full, "/")
	return result.ObjectRef{Kind: kind, Namespace: namespace, Name: name}
}

// task is what the mover was told, from the pod template.
func (r Run) task() (*result.Task, error) {
	task, err := result.DecodeTask([]byte(r.job.Spec.Template.Annotations[plan.AnnotationTask]))
	if err != nil {
		return nil, fmt.Errorf("read the task of run %s: %w", r.ID, err)
	}
	return task, nil
}

// finishedRun is the run as status and history take it.
func (r Run) finishedRun(res result.Result, now time.Time) status.Run {
	a := r.job.Annotations
	run := status.Run{Result: res, ManualTag: a[plan.AnnotationManualTag]}
	if text, ok := a[plan.AnnotationScheduled]; ok {
		run.Scheduled = true
		if schedule, err := cron.ParseStandard(text); err == nil {
			next := schedule.Next(now.UTC())
			run.Next = &next
		}
	}
	return run
}

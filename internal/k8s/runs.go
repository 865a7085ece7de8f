package k8s

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
	// RunStopping: the mover was told to stop and saves what it has, for minutes if
	// need be.
	RunStopping RunState = "Stopping"
	// RunCancelled: the mover was told to stop and has ended, and nobody has
	// collected what it left.
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
	// kept is true when Result was kept on the Job by who has settled it.
	kept bool
	// lease is the source's Lease as it was when the run was found dead; nil: there
	// was none.
	lease *coordinationv1.Lease
	// copies are what is left of the copy of a run that was found dead.
	copies []*unstructured.Unstructured
	// asks is true when the Job is left that has asked the repository for it.
	asks bool
}

// Copies are what is left of the copy of a run that Remains has found, the claims first.
func (r Run) Copies() []*unstructured.Unstructured { return r.copies }

// AsksYet reports whether the Job is left that has asked the repository for a run that
// Remains has found.
func (r Run) AsksYet() bool { return r.asks }

// Unwritten reports whether the run's outcome is known, and only its Job has it: the
// history could not be written.
func (r Run) Unwritten() bool { return r.kept && r.State != RunCollected }

// Runs lists the runs of a namespace, oldest first; all namespaces when it is
// empty.
func (c *Cluster) Runs(ctx context.Context, namespace string) ([]Run, error) {
	return c.runs(ctx, namespace, plan.LabelManagedBy+"="+plan.ManagedBy+","+plan.LabelRole+"="+plan.RoleMover)
}

// runsOf lists the runs of one object, oldest first.
func (c *Cluster) runsOf(ctx context.Context, object result.ObjectRef) ([]Run, error) {
	return c.runs(ctx, object.Namespace, moversOf(object))
}

// uncollected reports whether the object has a run that nobody has collected. It costs
// one request: most often what there is was collected, and is kept for its log.
func (c *Cluster) uncollected(ctx context.Context, object result.ObjectRef) (bool, error) {
	jobs, err := listed(ctx, c.typed.BatchV1().Jobs(object.Namespace).List, metav1.ListOptions{LabelSelector: moversOf(object)})
	if err != nil {
		return false, cannot(err, "list the runs")
	}
	return slices.ContainsFunc(jobs.Items, func(j batchv1.Job) bool { return j.Annotations[plan.AnnotationCollected] == "" }), nil
}

// moversOf selects the Jobs and pods of an object's movers.
func moversOf(object result.ObjectRef) string {
	return plan.LabelSource + "=" + plan.SourceLabel(object) + "," + plan.LabelRole + "=" + plan.RoleMover
}

// runs lists the runs that a selector of Jobs and pods chooses.
func (c *Cluster) runs(ctx context.Context, namespace, selector string) ([]Run, error) {
	chosen := metav1.ListOptions{LabelSelector: selector}
	jobs, err := listed(ctx, c.typed.BatchV1().Jobs(namespace).List, chosen)
	if err != nil {
		return nil, cannotList(err, namespace, "list the runs")
	}
	if len(jobs.Items) == 0 {
		return nil, nil
	}
	pods, err := listed(ctx, c.typed.CoreV1().Pods(namespace).List, chosen)
	if err != nil {
		return nil, cannotList(err, namespace, "list the movers")
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
	case finished(job) || r.pod != nil && (hasEnded(r.pod) || terminated(r.pod) != nil):
		// The pod's phase trails its only container, and the Job trails both.
		r.State = RunFinished
	case suspended(job) && r.pod != nil:
		r.State = RunStopping
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
	if text := job.Annotations[plan.AnnotationResult]; text != "" {
		if kept, err := result.Decode([]byte(text)); err == nil { // written by this tool, whole or not at all
			r.Result, r.kept = kept, true
		}
	}
	return r
}

// busy reports whether the run's mover runs, or may yet.
func (r Run) busy(now time.Time) bool {
	return (r.State == RunStopping || r.State == RunRunning && !r.stuck(now)) && !r.lost(now)
}

// lostAfter is how long a kubelet may be silent about a pod whose deletion was due: as
// long as a node may take to start again, and then some, for a kubelet that comes back
// tells what the mover has left. It is also more than clocks differ.
const lostAfter = 15 * time.Minute

// lost reports whether nothing more will be heard of a mover that was told to stop. A
// kubelet that hears the API server kills what outlasts its grace period, and says so
// at once; one that does not, as on a node that is gone, never will.
//
// A mover that should still run on such a node harms no later run: repositories take
// several writers, its copy is its own, and nobody believes what it saves, which is
// unproved. Nothing is won by waiting for it.
func (r Run) lost(now time.Time) bool {
	unended := r.State == RunStopping || r.State == RunRunning
	return unended && r.pod != nil && overdue(r.pod, now)
}

// overdue reports whether a pod should have been gone for so long that its node counts
// as lost.
func overdue(pod *corev1.Pod, now time.Time) bool {
	return pod.DeletionTimestamp != nil && now.Sub(pod.DeletionTimestamp.Time) > lostAfter
}

// stuck reports whether the mover was allowed to start and has not, for longer than
// its own command would have waited. That command renews the Lease until the mover
// has started: a stuck run with a Lease that nobody renews is dead.
func (r Run) stuck(now time.Time) bool {
	if r.State != RunRunning || r.pod != nil && hasBegun(r.pod) {
		return false
	}
	a := r.job.Annotations
	limit, err := time.ParseDuration(a[plan.AnnotationStartLimit])
	if err != nil || limit <= 0 {
		return false
	}
	started, err := time.Parse(time.RFC3339, a[plan.AnnotationStarted])
	return err == nil && now.Sub(started) > limit
}

// objectOf names the object that a Job runs for, or that a schedule is of, from the
// annotation "Kind namespace/name".
func objectOf(o metav1.Object) result.ObjectRef {
	kind, full, _ := strings.Cut(o.GetAnnotations()[plan.AnnotationObject], " ")
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
	if schedule, ok := a[plan.AnnotationScheduled]; ok {
		run.Scheduled, run.Next = true, status.NextRun(schedule, now)
	}
	return run
}

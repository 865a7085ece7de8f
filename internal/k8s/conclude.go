package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

const (
	// reasonDeadline is the reason of a pod that the kubelet has ended because of its
	// activeDeadlineSeconds.
	reasonDeadline = "DeadlineExceeded"
	// maxStopCause bounds the words on a Job that say why it was stopped, in bytes.
	maxStopCause = 512
)

// concluded makes the Result of what a mover left: its log, which the collector
// has read, its last words, and what its pod says of its end.
func concluded(collect *run.Collector, pod *corev1.Pod, gone bool) *result.Result {
	how, hint := ending(pod, gone)
	var end *corev1.ContainerStateTerminated
	var message []byte
	if pod != nil {
		if end = terminated(pod); end != nil {
			message = []byte(end.Message)
		}
	}
	r := collect.Agree(message, how)
	hint = spec.FieldsOf(r.Object.Kind, hint)
	switch {
	case r.Outcome == result.Unknown && (neverBegan(pod) || !collect.Heard() && stoppedTooSoon(pod)):
		neverStarted(r)
	case r.Outcome == result.Unknown && hint != "":
		r.Hint = hint
	}
	if r.Outcome == result.Cancelled && pod != nil && pod.Status.Reason == reasonDeadline {
		outOfTime(r, pod)
	}
	if oom := end != nil && end.Reason == "OOMKilled"; oom && r.Outcome != result.Unknown && r.ExitCode != 0 {
		// The mover has outlived kopia, and cannot know why that was killed.
		r.Message, r.Hint = how+": "+r.Message, hint
	}
	return r
}

// neverStarted makes a Result that of a mover that was stopped before it did
// anything.
func neverStarted(r *result.Result) {
	r.Outcome, r.ExitCode, r.Reason, r.Hint = result.Cancelled, int(fault.Terminated.ExitCode()), "Cancelled", ""
	r.Message = "the mover was stopped before it started"
}

// outOfTime makes a Result that of a mover that its kubelet has ended in time.
func outOfTime(r *result.Result, pod *corev1.Pod) {
	limit := ""
	if seconds := pod.Spec.ActiveDeadlineSeconds; seconds != nil {
		limit = " than " + (time.Duration(*seconds) * time.Second).String()
	}
	r.Outcome, r.ExitCode, r.Reason = result.TimedOut, int(fault.TimedOut.ExitCode()), string(fault.TimedOut)
	r.Message, r.Hint = "the mover ran longer"+limit+": "+r.Message, plan.LimitHint(r.Object.Kind)
}

// stoppedMark begins the words that say who has stopped a mover.
const stoppedMark = "; stopped by "

// nameWhoStopped says who has ended a mover that its own command has not told to
// stop, as far as its pod says, and its Job; either may be nil. It says so once.
func nameWhoStopped(r *result.Result, job *batchv1.Job, pod *corev1.Pod) {
	if r.Outcome != result.Cancelled || strings.Contains(r.Message, stoppedMark) {
		return
	}
	if who := whoStopped(job, pod); who != "" {
		r.Message += stoppedMark + who
	}
}

// whoStopped is who has ended a mover, or "".
func whoStopped(job *batchv1.Job, pod *corev1.Pod) string {
	if pod != nil {
		if who := stoppedBy(pod); who != "" {
			return who
		}
	}
	switch {
	case job == nil:
		return ""
	case stopCause(job) != nil:
		return "another command (" + stopCause(job).Error() + ")"
	case suspended(job):
		return "who suspended its Job"
	case pod != nil && pod.DeletionTimestamp != nil:
		return "who deleted its pod"
	}
	return ""
}

// stopPatch suspends a Job and notes why.
func stopPatch(cause error) ([]byte, error) {
	text := status.Head(string(fault.KindOf(cause))+": "+cause.Error(), maxStopCause)
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{plan.AnnotationStopped: text}},
		"spec":     map[string]any{"suspend": true},
	})
}

// stopCause is why this tool has told a mover to stop, by what it has noted on the Job:
// the run's own command, runs cancel, or who ends a dead run whose mover cannot start.
// Without a note it has not, and the error is nil.
func stopCause(job *batchv1.Job) error {
	kind, text, noted := strings.Cut(job.Annotations[plan.AnnotationStopped], ": ")
	if !noted {
		return nil
	}
	return fault.New(fault.Kind(kind), "%s", text)
}

// settled is the Result of a run whose own command is dead: as that command would
// have settled it.
func (r Run) settled(res *result.Result) *result.Result {
	cause := stopCause(r.job)
	if cause == nil {
		named := *res
		nameWhoStopped(&named, r.job, r.pod)
		res = &named
	}
	return run.Settle(res, cause)
}

// resultOf is the Result of a run whose mover has ended: the one that was kept on
// its Job, or else from its pod and its log, or what is known without either.
func (c *Cluster) resultOf(ctx context.Context, r Run, now func() time.Time) (*result.Result, error) {
	if r.kept {
		return r.Result, nil
	}
	task, err := r.task()
	if err != nil {
		return nil, err
	}
	collect := run.Collector{Observer: deaf{}, Task: task, Began: r.Began, Now: now}
	if r.pod != nil {
		reader := logReader{cluster: c, namespace: r.pod.Namespace, pod: r.pod.Name, line: collect.Line, ended: func() bool { return true }, last: collect.Ended}
		reading, cancel := context.WithTimeout(ctx, logMargin)
		defer cancel()
		reader.read(reading)
	}
	return concluded(&collect, r.pod, false), nil
}

// askFor asks the repository for a snapshot of a dead run that has left no Result,
// as its own command would have, and puts the answer into the Result.
func (c *Cluster) askFor(ctx context.Context, r Run, res *result.Result, now func() time.Time, say func(string, ...any)) error {
	if res.Outcome != result.Unknown || r.job.DeletionTimestamp != nil {
		return nil
	}
	task, err := r.task()
	if err != nil {
		return err
	}
	if task.Operation != result.OperationBackup {
		return nil // it makes no snapshot
	}
	step, err := plan.AskStep(r.job, r.Object, task)
	if err != nil {
		return err
	}
	p := plan.Plan{RunID: r.ID, Object: r.Object, Operation: task.Operation, Identity: task.Identity, Task: task}
	t := NewTarget(c, p, Outcome{}, teller(say), now, func(error) {})
	defer t.Close()
	if err := t.view.watch(ctx, "Pod"); err != nil {
		return fmt.Errorf("watch the pod that asks the repository: %w", err)
	}
	return t.ask(ctx, step, res)
}

// deaf is an Observer for a log whose events came too late to be shown.
type deaf struct{}

func (deaf) Observe(result.Event) {}

// teller is an Observer that passes on what is told to people.
type teller func(string, ...any)

// Observe implements run.Observer.
func (t teller) Observe(e result.Event) {
	if e.Told() {
		t("%s", e.Message)
	}
}

// stopStuck stops a mover that could not start, and sees it end.
func (c *Cluster) stopStuck(ctx context.Context, r Run, now func() time.Time) (*result.Result, error) {
	task, err := r.task()
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, time.Duration(task.GracePeriod)+stopMargin,
		fault.New(fault.Leftover, "its pod was told to stop and is still there").At("run "+r.ID))
	defer cancel()
	cause := fault.New(fault.Failed, "the mover had not started within %s, and its command was gone", r.job.Annotations[plan.AnnotationStartLimit])
	return c.attached(bounded, r, cause, deaf{}, now)
}

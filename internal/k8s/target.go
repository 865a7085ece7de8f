package k8s

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	v1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// Target does the steps of one plan on the cluster. Make it with NewTarget and
// close it when the plan has been executed.
type Target struct {
	cluster  *Cluster
	plan     plan.Plan
	observer run.Observer
	now      func() time.Time
	outcome  Outcome
	// role is that of the pod that does the work.
	role string

	view     *view
	warnings *warnings
	lease    *lease
	// stop ends what listens in the background.
	stop context.CancelFunc

	mu sync.Mutex
	// made are the objects of the steps so far, as the API server returned them.
	made map[int]*unstructured.Unstructured
	// unanswered are objects that may have been made.
	unanswered map[int]*unstructured.Unstructured
	// listening is true once the run's events are listened to.
	listening bool
	// began is when the mover was allowed to start.
	began time.Time
	// told wrote that the mover was started; nil: nobody was told.
	told *writer
	// unwritten is the run's outcome as long as the history lacks it; nil: there is
	// none yet, or it is written.
	unwritten *result.Result
	// firstSeen says since when a passing condition has been seen.
	firstSeen map[string]time.Time
	// triggerValue is the claim's copy trigger that this run serves.
	triggerValue string
	// followed is true once a mover that has begun is followed.
	followed bool
	// suspended is true when this run has told the mover to stop.
	suspended bool
	// cancelling is true when another command has, that waits for its end within a limit
	// of its own.
	cancelling bool
	// undeleted is true when a copy could not be deleted, which its Job owns.
	undeleted bool
	// hooks is how far the application's hooks are.
	hooks hooks
}

// Outcome says what the object's trigger asks for, which decides what its status
// says after the run.
type Outcome struct {
	// ManualTag is spec.trigger.manual; Scheduled is true for a schedule, Next
	// when it is due.
	ManualTag string
	Scheduled bool
	Next      *time.Time
}

var (
	_ run.Target   = (*Target)(nil)
	_ run.Recorder = (*Target)(nil)
)

// NewTarget returns a Target for the plan. lost is called when the run no longer
// holds its source's Lease.
func NewTarget(c *Cluster, p plan.Plan, outcome Outcome, observer run.Observer, now func() time.Time, lost func(error)) *Target {
	t := &Target{
		cluster: c, plan: p, outcome: outcome, observer: observer, now: now,
		view: newView(c, p.Object.Namespace, p.RunID), stop: func() {},
		made: map[int]*unstructured.Unstructured{}, unanswered: map[int]*unstructured.Unstructured{},
	}
	t.role = plan.RoleMover
	if p.Operation == result.OperationProbe {
		t.role = plan.RoleProbe
	}
	t.warnings = &warnings{now: now, mine: t.isMine}
	t.lease = newLease(c, p, now, lost)
	return t
}

// Close ends the watches and the renewal of the Lease.
func (t *Target) Close() {
	t.lease.stop()
	t.stop()
	t.view.close()
}

// isMine reports whether an object of the name belongs to the run: names that
// the run makes, and the pod's, which begins with the Job's. The Lease's name
// begins those of all runs of its source.
func (t *Target) isMine(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, made := range t.made {
		if own := made.GetName(); name == own || made.GetKind() == "Job" && strings.HasPrefix(name, own+"-") {
			return true
		}
	}
	return false
}

// Do implements run.Target.
func (t *Target) Do(ctx context.Context, step plan.Step, mover *result.Result) (*result.Result, error) {
	switch step.Kind {
	case plan.StepLease:
		return nil, t.takeLease(ctx, step)
	case plan.StepCreate:
		return nil, t.create(ctx, step)
	case plan.StepAdopt:
		return nil, t.adopt(ctx, step)
	case plan.StepTrigger:
		return nil, t.copyTrigger(ctx, step)
	case plan.StepExec:
		return t.hook(ctx, step, mover)
	case plan.StepAwait:
		return nil, t.awaitStep(ctx, step)
	case plan.StepUnsuspend:
		r, err := t.start(ctx, step)
		return t.amend(r), err
	case plan.StepFollow:
		r, err := t.follow(ctx, step)
		return t.amend(r), err
	case plan.StepAsk:
		return nil, t.ask(ctx, step, mover)
	case plan.StepStatus:
		return nil, t.writeStatus(ctx, step, mover)
	case plan.StepReclaim:
		return nil, t.reclaim(ctx, step)
	case plan.StepDelete:
		return nil, t.remove(ctx, step.Targets...)
	case plan.StepKeep:
		return nil, t.keep(ctx, step, mover)
	case plan.StepRelease:
		return nil, t.lease.release(ctx)
	case plan.StepDetach:
		t.detach(ctx, mover)
		return nil, nil
	default:
		return nil, fault.New(fault.Failed, "step %d: %s is no step of a run on a cluster", step.ID, step.Kind)
	}
}

// Undo implements run.Target.
func (t *Target) Undo(ctx context.Context, action plan.Cleanup) error {
	switch action.Action {
	case plan.CleanupDelete:
		return t.remove(ctx, action.Step)
	case plan.CleanupDeleteUnstarted:
		return t.removeUnstarted(ctx, action.Step)
	case plan.CleanupExec:
		return t.afterHook(ctx, *action.Exec, false)
	case plan.CleanupRelease:
		return t.lease.release(ctx)
	default:
		return fault.New(fault.Failed, "%s is no clean-up of a run on a cluster", action.Action)
	}
}

// claims is the client of the namespace's claims.
func (t *Target) claims() v1.PersistentVolumeClaimInterface {
	return t.cluster.typed.CoreV1().PersistentVolumeClaims(t.plan.Object.Namespace)
}

// say tells the observer one line of this command.
func (t *Target) say(format string, args ...any) {
	t.tell(result.EventNote, format, args...)
}

// tell tells the observer one line for people.
func (t *Target) tell(as result.EventType, format string, args ...any) {
	tellTo(t.observer, as, t.plan.RunID, t.now)(format, args...)
}

// sayTo returns what tells an observer one line of this command.
func sayTo(observer run.Observer, runID string, now func() time.Time) func(string, ...any) {
	return tellTo(observer, result.EventNote, runID, now)
}

func tellTo(observer run.Observer, as result.EventType, runID string, now func() time.Time) func(string, ...any) {
	return func(format string, args ...any) {
		observer.Observe(result.Event{Type: as, Message: fmt.Sprintf(format, args...)}.Of(runID, now()))
	}
}

// object returns what a step made.
func (t *Target) object(step int) *unstructured.Unstructured {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made[step]
}

func (t *Target) keepObject(step int, o *unstructured.Unstructured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[step] = o
}

// listen begins to listen to the run's events, once.
func (t *Target) listen(ctx context.Context) {
	if t.listening {
		return
	}
	t.listening = true
	var listening context.Context
	listening, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.warnings.listen(listening, t.cluster, t.plan.Object.Namespace, t.view.poke)
}

// runOf is the finished run for the object's status.
func (t *Target) runOf(r *result.Result) status.Run {
	return status.Run{Result: *r, ManualTag: t.outcome.ManualTag, Scheduled: t.outcome.Scheduled, Next: t.nextRun()}
}

// nextRun is when the next run is due as of now, by the schedule that the Job notes: a
// run may have lasted beyond what was the next one when it began.
func (t *Target) nextRun() *time.Time {
	for _, step := range t.plan.Steps {
		if step.Kind != plan.StepUnsuspend {
			continue
		}
		if job := t.object(step.Targets[0]); job != nil && t.outcome.Next != nil {
			return status.NextRun(job.GetAnnotations()[plan.AnnotationScheduled], t.now())
		}
	}
	return t.outcome.Next
}

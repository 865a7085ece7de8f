// Package run does what a plan says: a loop over its steps, and the clean-up
// when one of them fails. It decides nothing and invents nothing; what a step
// means for a cluster or for this machine is its Target's business.
package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Target does the steps of one plan.
type Target interface {
	// Do does one step. The step that sees the mover end returns its Result;
	// the steps after it are given that Result, and a hook among them may return
	// it with a warning.
	Do(ctx context.Context, step plan.Step, mover *result.Result) (*result.Result, error)
	// Undo does one action of the plan's clean-up. It succeeds when there is
	// nothing to undo.
	Undo(ctx context.Context, action plan.Cleanup) error
}

// Observer is told what happens, from several goroutines. It must not block.
type Observer interface {
	Observe(result.Event)
}

// ErrOutOfSight says that a mover that runs can be neither seen nor heard any more, and
// has not been told to stop. Of such a run nothing is written down and nothing undone:
// it goes on, and whoever sees it end does both.
var ErrOutOfSight = errors.New("the mover is out of sight, and how it ends is not known")

// Execution is how a plan's execution ended.
type Execution struct {
	// Started is true for a plan that ends when its mover has started; then there
	// is nothing else to say yet but what is Left.
	Started bool
	// Result is the mover's own, or one made from Err; it is never zero but with
	// Started.
	Result result.Result
	// Err is what stopped the run; nil when the mover ended by itself.
	Err error
	// Left are what clean-up could not remove, and what else could not be done
	// once the mover had started.
	Left []error
}

// ExitCode is the documented code of the execution.
func (e Execution) ExitCode() fault.ExitCode {
	code := fault.ExitCode(e.Result.ExitCode)
	if code == fault.OK && len(e.Left) > 0 {
		return fault.Leftover.ExitCode()
	}
	return code
}

// Execute does the plan's steps in order. When a step fails or ctx ends before
// the mover has started, the clean-up of the steps done so far is run. From then
// on nothing is undone: a mover that runs is always followed to its end, told to
// stop if ctx has ended, and the other steps are done whatever its outcome was.
func Execute(ctx context.Context, p plan.Plan, target Target, observer Observer, now func() time.Time) Execution {
	x := executor{plan: p, target: target, observer: observer, now: now, began: now()}
	heard := x.hear(ctx)
	err := because(ctx, x.steps(ctx))
	ended := x.result != nil
	if err == nil && p.Detached() && !ended {
		heard()
		x.enter(plan.PhaseDetached)
		return Execution{Started: true, Left: x.left}
	}
	if len(x.begun) > 0 {
		x.stage.Store(ending)
	}
	// What the clean-up sets off, as the loss of the Lease that goes with its Job,
	// says nothing about why the run has ended.
	verdict := x.verdict(err)
	unseen := errors.Is(err, ErrOutOfSight)
	if unseen {
		verdict.Outcome, verdict.Reason = result.Unknown, reasonNoResult
	}
	if !ended {
		x.phaseFailed(unseen)
	}
	if err != nil && !unseen || p.Detached() && ended { // such a plan ends with the start
		x.record(ctx, verdict)
		x.undo(ctx)
	}
	e := Execution{Result: verdict, Err: err, Left: x.left}
	e.Result.ExitCode = int(e.ExitCode())
	observed := e.Result
	heard()
	x.tell(result.Event{Type: result.EventResult, Result: &observed})
	return e
}

type executor struct {
	plan     plan.Plan
	target   Target
	observer Observer
	now      func() time.Time
	began    time.Time
	// begun are the ids of the steps that were begun: a step that failed may
	// have done half of its work.
	begun []int
	// started is true once the mover runs by itself.
	started bool
	// result is the mover's, settled; nil before its end.
	result *result.Result
	left   []error
	// phase is the last one that was told.
	phase string
	// stage is read while the run goes on, too: when it is told to stop.
	stage atomic.Int32
}

// tell tells the observer.
func (x *executor) tell(e result.Event) {
	x.observer.Observe(e.Of(x.plan.RunID, x.now()))
}

// enter tells that a phase begins, unless it goes on.
func (x *executor) enter(phase string) {
	if phase == "" || phase == x.phase {
		return
	}
	x.phase = phase
	x.tell(result.Event{Type: result.EventPhase, Phase: phase})
}

// phaseFailed tells that the phase under way has failed, if there is one. Which that is
// of a mover that is out of sight is not known.
func (x *executor) phaseFailed(unseen bool) {
	if x.phase == "" {
		return
	}
	e := result.Event{Type: result.EventFailed, Phase: x.phase}
	if unseen {
		e.Phase = ""
	}
	x.tell(e)
}

// failed keeps what could not be done without ending the run, and tells it.
func (x *executor) failed(err error) {
	x.left = append(x.left, err)
	x.tell(result.Event{Type: result.EventWarning, Warning: &result.Warning{Message: err.Error()}})
}

// steps does the steps. Errors of steps after the mover's start do not stop the
// others: a status that cannot be written is no reason to leave a volume, and a
// copy trigger that cannot be reported is none to lose what the mover says.
func (x *executor) steps(ctx context.Context) error {
	for _, step := range x.plan.Steps {
		switch {
		case x.result != nil && step.Kind == plan.StepFollow:
			// It ended while it was still being started, and was heard.
		case x.result != nil, x.started && step.Kind != plan.StepFollow:
			x.besides(ctx, step)
		default:
			if err := x.towards(ctx, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// record has a Target that told others of the mover's start tell them how a run has
// ended that has no step for it, while it holds what it holds.
func (x *executor) record(ctx context.Context, verdict result.Result) {
	r, ok := x.target.(Recorder)
	if !ok {
		return
	}
	after, cancel := x.detached(ctx, nil)
	defer cancel()
	if err := r.Record(after, verdict); err != nil {
		x.failed(err)
	}
}

// towards does a step on the way to the mover's end. The step that follows a
// mover takes an ended ctx too: that is how it is told to stop.
func (x *executor) towards(ctx context.Context, step plan.Step) error {
	if err := context.Cause(ctx); err != nil && !x.started {
		return err
	}
	x.begun = append(x.begun, step.ID)
	x.stage.Store(stageOf(step.Kind))
	x.enter(step.Phase())
	r, err := x.target.Do(ctx, step, nil)
	if err != nil {
		return err
	}
	x.started = x.started || step.Kind == plan.StepUnsuspend
	x.result = settle(ctx, r)
	return nil
}

// besides does a step that the mover's outcome does not depend on. It has time
// of its own, also after a cancel.
func (x *executor) besides(ctx context.Context, step plan.Step) {
	if step.Kind != plan.StepAsk || x.result.Outcome == result.Unknown {
		x.enter(step.Phase())
	}
	x.stage.Store(x.stageBeside())
	after, cancel := x.detached(ctx, step.Exec)
	defer cancel()
	amended, err := x.target.Do(after, step, x.result)
	if err != nil {
		x.failed(err)
	}
	if step.Kind == plan.StepExec && amended != nil {
		x.result = amended
	}
}

// undo runs the plan's clean-up for the steps that were begun.
func (x *executor) undo(ctx context.Context) {
	for _, action := range x.plan.Cleanup {
		if !slices.Contains(x.begun, action.Step) {
			continue
		}
		x.enter(plan.PhaseUndo)
		if err := x.undoOne(ctx, action); err != nil {
			x.failed(err)
		}
	}
}

func (x *executor) undoOne(ctx context.Context, action plan.Cleanup) error {
	after, cancel := x.detached(ctx, action.Exec)
	defer cancel()
	return x.target.Undo(after, action)
}

// detached outlives ctx, by what the plan allows each thing that is done after a run
// was cancelled, has failed or has ended: what one of them waits for costs the others
// no time. What a hook may take comes on top, so that an application that is slow
// leaves nothing behind.
func (x *executor) detached(ctx context.Context, hook *plan.Exec) (context.Context, context.CancelFunc) {
	after := context.WithoutCancel(ctx)
	limit := time.Duration(x.plan.CleanupTimeout)
	if limit == 0 {
		return context.WithCancel(after)
	}
	if hook != nil {
		limit += time.Duration(hook.Timeout)
	}
	return context.WithTimeoutCause(after, limit, fmt.Errorf("waited %s", limit))
}

// verdict is the mover's Result, or what is known without one.
func (x *executor) verdict(err error) result.Result {
	if x.result != nil {
		return *x.result
	}
	r := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: x.plan.Operation,
		RunID: x.plan.RunID, Object: x.plan.Object, Identity: x.plan.Identity,
		Outcome: result.Unknown, ExitCode: int(fault.Failed.ExitCode()), Message: "the run ended without a result",
		StartTime: x.began, EndTime: x.now(),
	}
	if err == nil {
		return r
	}
	kind := kindOf(err)
	r.Outcome, r.ExitCode, r.Reason, r.Message = result.OutcomeOf(kind), int(kind.ExitCode()), string(kind), err.Error()
	var f *fault.Error
	if errors.As(err, &f) {
		r.Hint = f.Hint
	}
	return r
}

// kindOf is the kind of failure that stopped the run before its mover had ended.
func kindOf(err error) fault.Kind {
	kind := fault.KindOf(err)
	if kind == fault.Leftover { // its exit code says that the work was done
		return fault.Failed
	}
	return kind
}

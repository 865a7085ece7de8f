// Package run does what a plan says: a loop over its steps, and the clean-up
// when one of them fails. It decides nothing and invents nothing; what a step
// means for a cluster or for this machine is its Target's business.
package run

import (
	"cmp"
	"context"
	"errors"
	"slices"
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

// Observer is told what happens. It must not block.
type Observer interface {
	Observe(result.Event)
}

// CleanupTimeout bounds what is done after a run was cancelled or has failed.
const CleanupTimeout = 2 * time.Minute

// Execution is how a plan's execution ended.
type Execution struct {
	// Started is true for a plan that ends when its mover has started; then there
	// is nothing else to say yet.
	Started bool
	// Result is the mover's own, or one made from Err; it is never zero but with
	// Started.
	Result result.Result
	// Err is what stopped the run; nil when the mover ended by itself.
	Err error
	// Left are what clean-up could not remove.
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
// the mover has ended, the clean-up of the steps done so far is run; once the mover has ended,
// the remaining steps are done whatever its outcome was, also after a cancel.
func Execute(ctx context.Context, p plan.Plan, target Target, observer Observer, now func() time.Time) Execution {
	x := executor{plan: p, target: target, observer: observer, now: now, began: now()}
	err := x.steps(ctx)
	if err == nil && p.Detached() {
		return Execution{Started: true}
	}
	if err != nil {
		x.record(ctx, err)
		x.left = append(x.left, x.undo(ctx)...)
	}
	e := Execution{Result: x.verdict(ctx, err), Err: err, Left: x.left}
	e.Result.ExitCode = int(e.ExitCode())
	observed := e.Result
	observer.Observe(result.Event{
		APIVersion: result.APIVersion, Kind: result.KindEvent, Time: now(), RunID: p.RunID,
		Type: result.EventResult, Result: &observed,
	})
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
	// result is the mover's, settled; nil before its end.
	result *result.Result
	left   []error
}

// steps does the steps. Errors of steps after the mover's end do not stop the
// others: a status that cannot be written is no reason to leave a volume.
func (x *executor) steps(ctx context.Context) error {
	for _, step := range x.plan.Steps {
		if x.result == nil {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			x.begun = append(x.begun, step.ID)
			r, err := x.target.Do(ctx, step, nil)
			if err != nil {
				return err
			}
			x.result = settle(ctx, r)
			continue
		}
		after, cancel := detached(ctx, step.Exec)
		amended, err := x.target.Do(after, step, x.result)
		if err != nil {
			x.left = append(x.left, err)
		}
		if step.Kind == plan.StepExec && amended != nil {
			x.result = amended
		}
		cancel()
	}
	return nil
}

// record has a Target that told others of the mover's start tell them that the run
// has failed, while it holds what it holds.
func (x *executor) record(ctx context.Context, err error) {
	r, ok := x.target.(Recorder)
	if !ok || x.result != nil {
		return
	}
	after, cancel := detached(ctx, nil)
	defer cancel()
	if err := r.Record(after, x.verdict(ctx, err)); err != nil {
		x.left = append(x.left, err)
	}
}

// undo runs the plan's clean-up for the steps that were begun.
func (x *executor) undo(ctx context.Context) []error {
	var hook *plan.Exec
	for _, action := range x.plan.Cleanup {
		hook = cmp.Or(hook, action.Exec)
	}
	after, cancel := detached(ctx, hook)
	defer cancel()
	var left []error
	for _, action := range x.plan.Cleanup {
		if !slices.Contains(x.begun, action.Step) {
			continue
		}
		if err := x.target.Undo(after, action); err != nil {
			left = append(left, err)
		}
	}
	return left
}

// detached outlives ctx, but not for ever: what a hook may take comes on top, so
// that an application that is slow leaves nothing behind.
func detached(ctx context.Context, hook *plan.Exec) (context.Context, context.CancelFunc) {
	limit := CleanupTimeout
	if hook != nil {
		limit += time.Duration(hook.Timeout)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// verdict is the mover's Result, or what is known without one.
func (x *executor) verdict(ctx context.Context, err error) result.Result {
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
	kind := kindOf(ctx, err)
	r.Outcome, r.ExitCode, r.Reason, r.Message = result.OutcomeOf(kind), int(kind.ExitCode()), string(kind), err.Error()
	var f *fault.Error
	if errors.As(err, &f) {
		r.Hint = f.Hint
	}
	return r
}

// kindOf is the kind of failure that stopped the run before its mover had ended.
func kindOf(ctx context.Context, err error) fault.Kind {
	switch kind := fault.KindOf(err); {
	case kind == fault.Failed && ctx.Err() != nil:
		// What ended the run is what the reader must know first; what broke
		// because of it is a consequence.
		return fault.KindOf(context.Cause(ctx))
	case kind == fault.Leftover:
		// Its exit code says that the work was done.
		return fault.Failed
	default:
		return kind
	}
}

// Package run does what a plan says: a loop over its steps, and the clean-up
// when one of them fails. It decides nothing and invents nothing; what a step
// means for a cluster or for this machine is its Target's business.
package run

import (
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
	// the steps after it are given that Result.
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
	// Result is the mover's own, or one made from Err; it is never zero.
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
	left := x.left
	if err != nil {
		left = append(left, x.undo(ctx)...)
	}
	return Execution{Result: x.verdict(ctx, err), Err: err, Left: left}
}

type executor struct {
	plan     plan.Plan
	target   Target
	observer Observer
	now      func() time.Time
	began    time.Time
	// begun are the ids of the steps that were begun: a step that failed may
	// have done half of its work.
	begun  []int
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
			x.result = r
			continue
		}
		after, cancel := detached(ctx)
		if _, err := x.target.Do(after, step, x.result); err != nil {
			x.left = append(x.left, err)
		}
		cancel()
	}
	return nil
}

// undo runs the plan's clean-up for the steps that were begun.
func (x *executor) undo(ctx context.Context) []error {
	after, cancel := detached(ctx)
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

// detached outlives ctx, but not for ever.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), CleanupTimeout)
}

// verdict is the mover's Result, or what is known without one.
func (x *executor) verdict(ctx context.Context, err error) result.Result {
	r := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: x.plan.Operation,
		RunID: x.plan.RunID, Object: x.plan.Object, Identity: x.plan.Identity,
		Outcome: result.Unknown, StartTime: x.began, EndTime: x.now(),
	}
	switch {
	case x.result != nil:
		r = *x.result
	case err == nil:
		r.Message = "the run ended without a result"
	default:
		r.Outcome, r.Message = OutcomeOf(fault.KindOf(err)), err.Error()
	}
	r.ExitCode = int(exitCode(r, err))
	if r.Outcome == result.Cancelled && ctx.Err() != nil {
		blame(&r, context.Cause(ctx))
	}
	var f *fault.Error
	if x.result == nil && errors.As(err, &f) {
		r.Hint = f.Hint
	}
	x.observer.Observe(result.Event{
		APIVersion: result.APIVersion, Kind: result.KindEvent, Time: x.now(), RunID: x.plan.RunID,
		Type: result.EventResult, Result: &r,
	})
	return r
}

// blame says why the mover was told to stop, which it cannot know: it only ever
// sees SIGTERM.
func blame(r *result.Result, cause error) {
	kind := fault.KindOf(cause)
	if kind == fault.Failed {
		return
	}
	r.ExitCode = int(kind.ExitCode())
	if kind == fault.TimedOut {
		r.Outcome, r.Message = result.TimedOut, cause.Error()+": "+r.Message
	}
}

func exitCode(r result.Result, err error) fault.ExitCode {
	if r.ExitCode != 0 || err == nil && r.Outcome != result.Unknown {
		return fault.ExitCode(r.ExitCode)
	}
	return max(fault.CodeOf(err), fault.Failed.ExitCode())
}

// OutcomeOf names the outcome of a run that a fault stopped before the mover
// had ended.
func OutcomeOf(kind fault.Kind) result.Outcome {
	switch kind {
	case fault.Refused, fault.Invalid, fault.Usage:
		return result.Refused
	case fault.TimedOut:
		return result.TimedOut
	case fault.Interrupt, fault.Terminated:
		return result.Cancelled
	case fault.Incomplete:
		return result.Incomplete
	default:
		return result.Failed
	}
}

package run

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// ReasonStoppedByOthers is the reason of a run whose mover was told to stop by
// neither a signal to the command nor its time limit.
const ReasonStoppedByOthers = "StoppedByOthers"

// Recorder is a Target that tells others when its mover starts. It must tell them
// how a run ended that has no Result of its mover.
type Recorder interface {
	// Record writes the Result down, if anybody was told of the start.
	Record(ctx context.Context, r result.Result) error
}

// settle settles the Result of a mover that this command has followed: the
// context's cause says why it was told to stop, if it was.
func settle(ctx context.Context, r *result.Result) *result.Result {
	var cause error
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	return Settle(r, cause)
}

// Settle makes the mover's Result that of the run. Why it was told to stop a mover
// cannot know, for it only ever sees SIGTERM: cause is why the run's own command has
// told it so; nil: that command has not.
func Settle(r *result.Result, cause error) *result.Result {
	if r == nil {
		return nil
	}
	settled := *r
	switch {
	case r.Outcome == result.Unknown:
		settled.ExitCode = cmp.Or(r.ExitCode, int(fault.Failed.ExitCode()))
		if cause != nil && !strings.Contains(r.Message, cause.Error()) { // a mover that was killed in the end says nothing
			settled.Message = cause.Error() + ": " + r.Message
		}
	case r.Outcome != result.Cancelled:
	case cause == nil:
		stoppedByOthers(&settled)
	default:
		stoppedBecause(&settled, cause)
	}
	return &settled
}

// stoppedBecause settles the Result of a mover that this run has told to stop.
func stoppedBecause(r *result.Result, cause error) {
	kind := fault.KindOf(cause)
	switch kind {
	case fault.Interrupt, fault.Terminated:
		r.ExitCode = int(kind.ExitCode())
		if rest, ok := strings.CutPrefix(r.Message, result.MessageCancelled); ok { // the mover cannot name the signal
			r.Message = cause.Error() + rest
		}
		return
	case fault.TimedOut:
		r.Outcome, r.ExitCode, r.Reason = result.TimedOut, int(kind.ExitCode()), string(kind)
		var limit *fault.Error
		if r.Hint == "" && errors.As(cause, &limit) {
			r.Hint = limit.Hint // what sets the limit
		}
	default:
		stoppedByOthers(r)
	}
	r.Message = cause.Error() + ": " + r.Message
}

// stoppedByOthers settles the Result of a mover that neither a signal to the
// command nor its time limit has stopped: that is no cancel but a failure.
func stoppedByOthers(r *result.Result) {
	kind := fault.Failed
	if r.Snapshot != nil && r.Snapshot.Incomplete != "" {
		kind = fault.Incomplete
	}
	r.Outcome, r.ExitCode, r.Reason = result.OutcomeOf(kind), int(kind.ExitCode()), ReasonStoppedByOthers
}

// because puts what has ended ctx before what broke off: the one is what the reader
// must know first, the other a consequence.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || fault.KindOf(err) != fault.Failed {
		return err
	}
	cause := context.Cause(ctx)
	if strings.Contains(err.Error(), cause.Error()) {
		return cause
	}
	ended := fault.New(fault.KindOf(cause), "%w: %w", cause, err)
	var f *fault.Error
	if errors.As(cause, &f) {
		ended.Hint = f.Hint
	}
	return ended
}

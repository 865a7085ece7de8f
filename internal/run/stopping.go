package run

import (
	"context"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The stages of a run, by what becomes of it when it is told to stop.
const (
	// idle: nothing has been begun, or the mover goes on by itself.
	idle int32 = iota
	// preparing: what has been done is undone.
	preparing
	// moving: a mover is started or runs, and is told to stop.
	moving
	// ending: what is left is done all the same.
	ending
)

// stageOf is the stage of a run that does a step of the kind on the way to the mover's end.
func stageOf(kind plan.StepKind) int32 {
	switch kind {
	case plan.StepRun, plan.StepUnsuspend, plan.StepFollow:
		return moving
	default:
		return preparing
	}
}

// stageBeside is the stage of a run that does a step which the mover's outcome does not
// depend on: it has ended, or is followed later on, or not at all.
func (x *executor) stageBeside() int32 {
	switch {
	case x.result != nil:
		return ending
	case x.plan.Detached():
		return idle
	}
	return moving
}

// hear tells what becomes of the run as soon as ctx ends, for that may take minutes in
// which nothing else moves. Once the function that it returns has been called nothing
// is told any more.
func (x *executor) hear(ctx context.Context) (deaf func()) {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		if what := x.becomes(); what != "" {
			x.tell(result.Event{Type: result.EventNote, Message: stopping(context.Cause(ctx), what)})
		}
	})
	return func() {
		if !stop() {
			<-told
		}
	}
}

// becomes says what becomes of a run that is told to stop now; empty: nothing.
func (x *executor) becomes() string {
	switch x.stage.Load() {
	case preparing:
		return "what the run has done is undone"
	case moving:
		if x.plan.Operation == result.OperationBackup {
			return "kopia saves what it has uploaded, if anything"
		}
		return "the mover is told to end"
	case ending:
		return "only the clean-up is left to do"
	}
	return ""
}

// stopping is what is told of a run that stops because of cause.
func stopping(cause error, what string) string {
	switch fault.KindOf(cause) {
	case fault.Interrupt:
		return "stopping: " + what + "; press Ctrl-C again only to leave at once, without the clean-up"
	case fault.Terminated:
		return "stopping: " + what + "; another SIGINT or SIGTERM leaves at once, without the clean-up"
	default:
		return cause.Error() + "; stopping: " + what
	}
}

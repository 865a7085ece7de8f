package result

import "github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"

// OutcomeOf names the outcome of a run that ended with a fault of the kind.
func OutcomeOf(kind fault.Kind) Outcome {
	switch kind {
	case fault.Refused, fault.Invalid, fault.Usage:
		return Refused
	case fault.Incomplete:
		return Incomplete
	case fault.TimedOut:
		return TimedOut
	case fault.Interrupt, fault.Terminated:
		return Cancelled
	default:
		return Failed
	}
}

// MessageCancelled begins the message of a mover that was told to stop; what it
// leaves follows after a semicolon.
const MessageCancelled = "the run was cancelled"

package plan

// Phase is what the step is to somebody who watches the run; steps that follow
// each other may share one. "" begins none: the step takes no time, or the mover
// says its own phases in it.
func (s Step) Phase() string {
	switch s.Kind {
	case StepLease, StepAdopt, StepPrepare:
		return "prepare"
	case StepCreate:
		if s.IfMissing || s.Object["kind"] == "Job" {
			return "prepare"
		}
		return "copy"
	case StepAwait, StepReclaim:
		return "copy"
	case StepTrigger:
		if s.Trigger.State == TriggerInProgress {
			return "trigger"
		}
	case StepExec:
		return string(s.Exec.When) + "Hook"
	case StepUnsuspend:
		return "start"
	case StepAsk:
		return "ask"
	case StepStatus:
		return "status"
	case StepDelete, StepKeep, StepRelease, StepRemove:
		return "remove"
	case StepFollow, StepRun, StepDetach:
	}
	return ""
}

// PhaseUndo is the phase in which a run that ends early is undone.
const PhaseUndo = "undo"

// PhaseDetached ends those of a run that goes on by itself: in it the command does nothing.
const PhaseDetached = "detached"

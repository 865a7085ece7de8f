package ui

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

// step returns what is said of a phase while it goes on, and once it has ended
// well; nothing, of one in which nothing goes on. A phase of a newer mover is shown by
// its name.
func step(phase string) (doing, done string) {
	if doing, done = runStep(phase); doing != "" || phase == plan.PhaseDetached {
		return doing, done
	}
	switch phase {
	case "source":
		return "looking at the source", "source and secret looked at"
	case "repository":
		return "opening the repository", "repository opened"
	case "policy":
		return "writing the policies", "policies as the manifest says"
	case "beforeSnapshot":
		return "running the action before the snapshot", "action before the snapshot"
	case "snapshot":
		return "uploading", "uploaded"
	case "afterSnapshot":
		return "running the action after the snapshot", "action after the snapshot"
	case "proof":
		return "proving it from the repository", "proved from the repository"
	case "ownership":
		return "taking the ownership of the maintenance", "ownership of the maintenance taken"
	case "maintenance":
		return "maintaining the repository", "repository maintained"
	case "target":
		return "looking at the target", "target looked at"
	case "restore":
		return "restoring", "restored"
	}
	phase = printable.Line(phase)
	return phase, phase
}

// runStep is step for the phases of the command, around those of the mover.
func runStep(phase string) (doing, done string) {
	switch phase {
	case "prepare":
		return "preparing the run", "run prepared"
	case "trigger":
		return "waiting for the copy trigger", "copy trigger taken up"
	case "beforeHook":
		return "running the hook before the copy", "hook before the copy"
	case "copy":
		return "making the copy of the volume", "copy of the volume made"
	case "afterHook":
		return "running the hook after the copy", "hook after the copy"
	case "start":
		return "starting the mover", "mover started"
	case "ask":
		return "asking the repository what came of it", "repository asked what came of it"
	case "status":
		return "writing the status", "status written"
	case "remove":
		return "removing what the run made", "removed what the run made"
	case plan.PhaseUndo:
		return "undoing what the run has done", "undone what the run had done"
	}
	return "", ""
}

package ui

// step returns what is said of a mover's phase while it goes on, and once it
// has ended well. A phase of a newer mover is shown by its name.
func step(phase string) (doing, done string) {
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
		return "proving the snapshot", "snapshot proved"
	case "target":
		return "looking at the target", "target looked at"
	case "restore":
		return "restoring", "restored"
	}
	return phase, phase
}

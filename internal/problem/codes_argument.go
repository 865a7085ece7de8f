package problem

// argumentCodes documents VK2xx: additionalArgs.
func argumentCodes() []Code {
	return append(refusedArgumentCodes(), acceptedArgumentCodes()...)
}

// refusedArgumentCodes stop a run.
func refusedArgumentCodes() []Code {
	return []Code{
		{
			ID: "VK201", Title: "Forbidden argument", Severity: Error,
			Meaning: "The flag exists, but a manifest must not set it: it carries a credential, changes the identity or the place of the snapshot, or is managed by the mover. It is refused in every spelling, also in short form, negated, and with its value in the next entry. The value is never shown.",
			Example: "additionalArgs: [\"--password=hunter2\"]",
			Fix:     "Remove it and use the field or the Secret that the finding names.",
		},
		{
			ID: "VK202", Title: "Not a flag", Severity: Error,
			Meaning: "The entry is empty, a bare word, or \"--\". Kopia would take it as one more path to back up.",
			Example: "additionalArgs: [\"/etc\"]",
			Fix:     "Give each flag as one entry of the form --name=value; a directory is chosen with spec.kopia.sourcePath.",
		},
		{
			ID: "VK203", Title: "Unknown argument", Severity: Error,
			Meaning: "Neither this kopia version nor this tool knows the flag for this operation; kopia would refuse to start.",
			Example: "additionalArgs: [\"--block-sise=4MB\"]",
			Fix:     "Correct the spelling, or remove the argument.",
		},
		{
			ID: "VK204", Title: "Unusable value", Severity: Error,
			Meaning: "The flag may be given, but its value is missing, is of the wrong kind, or is not one that kopia has.",
			Example: "additionalArgs: [\"--parallel=many\"]",
			Fix:     "Give a value of the kind that the finding names.",
		},
		{
			ID: "VK206", Title: "Repeated argument", Severity: Error,
			Meaning: "The flag, its negation, or another flag for the same setting is given twice. Kopia refuses to start with a repeated flag.",
			Example: "additionalArgs: [\"--parallel=4\", \"--parallel=8\"]",
			Fix:     "Keep one of them.",
		},
		{
			ID: "VK209", Title: "Reserved tag", Severity: Error,
			Meaning: "Tags whose key starts with volsync-kopia belong to this tool: they tie a snapshot to the run that made it.",
			Example: "additionalArgs: [\"--tags=volsync-kopia-run:mine\"]",
			Fix:     "Choose another key.",
		},
	}
}

// acceptedArgumentCodes say what becomes of an argument that is taken.
func acceptedArgumentCodes() []Code {
	return []Code{
		{
			ID: "VK205", Title: "Translated argument", Severity: Info,
			Meaning: "The flag is none of kopia's snapshot command, but names a setting that kopia has elsewhere: a policy or a speed limit. It takes effect there.",
			Example: "additionalArgs: [\"--one-file-system\"]",
			Fix:     "Nothing to do.",
		},
		{
			ID: "VK207", Title: "Everything is uploaded again", Severity: Warning,
			Meaning: "Another splitter cuts files at other places, so that nothing matches what the repository holds. The next backup uploads every file again.",
			Example: "additionalArgs: [\"--block-size=4MB\"]",
			Fix:     "Set it before the first backup, or leave it out.",
		},
		{
			ID: "VK208", Title: "Parallelism given twice", Severity: Info,
			Meaning: "Both spec.kopia.parallelism and the argument --parallel are given. The argument wins and is passed once.",
			Example: "parallelism: 4\nadditionalArgs: [\"--parallel=8\"]",
			Fix:     "Keep one of the two.",
		},
		{
			ID: "VK210", Title: "Argument that changes the outcome", Severity: Warning,
			Meaning: "The flag is passed on, but changes what a run leaves behind in a way that is easily overlooked.",
			Example: "additionalArgs: [\"--upload-limit-mb=100\"]",
			Fix:     "Remove it unless that is meant.",
		},
		{
			ID: "VK211", Title: "Argument left out", Severity: Warning,
			Meaning: "The flag is documented, but kopia has nothing of the kind. The run goes on without it.",
			Example: "additionalArgs: [\"--read-buffer-size=32MB\"]",
			Fix:     "Remove it.",
		},
	}
}

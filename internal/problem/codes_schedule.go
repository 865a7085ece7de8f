package problem

// scheduleCodes documents findings about the objects that run a source by a schedule.
func scheduleCodes() []Code {
	return []Code{
		{
			"VK550", "Nothing says when to run", Error,
			"The schedule command makes a CronJob of spec.trigger.schedule, and the manifest has none. It is valid all the same: backup runs it.",
			"spec:\n  trigger:\n    manual: once", "Set spec.trigger.schedule, as \"0 2 * * *\".",
		},
		{
			"VK551", "Unknown time zone", Error,
			"A CronJob counts in a time zone of the IANA database. There is none of that name.",
			"# schedule --time-zone Mars/Olympus", "Give a name as Europe/Berlin, or leave it out for Etc/UTC.",
		},
		{
			"VK552", "Schedule of a paused source", Warning,
			"The source is paused. Its CronJob starts, and each run is skipped with exit code 0 and an Event, until the schedule is made anew from a source that is not paused.",
			"spec:\n  paused: true\n  trigger:\n    schedule: \"0 2 * * *\"", "Take spec.paused away and make the schedule again.",
		},
		{
			"VK553", "Schedule too large", Error,
			"The schedule's ConfigMap holds the manifest and the facts about the cluster's classes, and a ConfigMap holds 1 MiB.",
			"spec:\n  kopia:\n    policyConfig:\n      repositoryConfig: |\n        { ... more than 1 MiB ... }", "Move what is longest out of the manifest: repositoryConfig into a policy ConfigMap, actions into a script.",
		},
		{
			"VK554", "Class facts unknown", Warning,
			"A scheduled run asks for nothing outside its namespace: what it must know of StorageClasses, VolumeSnapshotClasses and volumes is kept when the schedule is made. Whoever makes it could not read all of that.",
			"# storageclasses.storage.k8s.io is forbidden", "Make the schedule as somebody who may read them, or with --facts from plan facts.",
		},
	}
}

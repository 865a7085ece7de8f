package problem

func destinationCodes() []Code {
	return []Code{
		{
			"VK155", "No source name", Error,
			"sourceIdentity names the ReplicationSource whose snapshots are restored.",
			"sourceIdentity:\n  sourceNamespace: prod", "Set sourceIdentity.sourceName.",
		},
		{
			"VK156", "Negative choice of snapshots", Error,
			"previous and shallow count snapshots from the newest.",
			"spec:\n  kopia:\n    previous: -1", "Use 0 or more.",
		},
		{
			"VK157", "Half an identity", Error,
			"username and hostname name an identity together. One alone is refused by VolSync as well.",
			"spec:\n  kopia:\n    username: app", "Set both, or use sourceIdentity.",
		},
		{
			"VK158", "Two ways to name the source", Warning,
			"With username and hostname set, VolSync ignores sourceIdentity completely, its sourcePathOverride included.",
			"spec:\n  kopia:\n    username: app\n    hostname: prod\n    sourceIdentity:\n      sourceName: app", "Keep one of the two.",
		},
		{
			"VK159", "Nothing to restore into", Error,
			"A restore goes to an existing claim (destinationPVC) or to a new one, which needs capacity and accessModes.",
			"spec:\n  kopia:\n    repository: kopia-config", "Set destinationPVC, or capacity and accessModes.",
		},
		{
			"VK165", "No repository to restore from", Error,
			"repository may be left out only when sourceIdentity names a source to take it from.",
			"kind: ReplicationDestination\nspec:\n  kopia:\n    destinationPVC: data", "Set spec.kopia.repository.",
		},
		{
			"VK167", "Clone on a destination", Error,
			"copyMethod Clone copies a source volume, and a restore has none.",
			"kind: ReplicationDestination\nspec:\n  kopia:\n    copyMethod: Clone", "Use Snapshot or Direct.",
		},
		{
			"VK168", "Field without effect", Info,
			"The field shapes a new claim, and an existing claim is named; or nothing reads the field, as repositoryType.",
			"spec:\n  kopia:\n    destinationPVC: data\n    capacity: 10Gi", "Remove one of the two.",
		},
	}
}

func maintenanceCodes() []Code {
	return []Code{
		{
			"VK160", "No repository to maintain", Error,
			"spec.repository.repository names the repository's Secret.",
			"kind: KopiaMaintenance\nspec:\n  trigger:\n    schedule: \"@daily\"", "Set spec.repository.repository.",
		},
		{
			"VK161", "Deadline too short", Error,
			"activeDeadlineSeconds is 600 or more: maintenance that is stopped early leaves its work undone.",
			"kind: KopiaMaintenance\nspec:\n  activeDeadlineSeconds: 60", "Use 600 or more.",
		},
		{
			"VK162", "Negative history limit", Error,
			"A number of finished jobs to keep is 0 or more.",
			"kind: KopiaMaintenance\nspec:\n  failedJobsHistoryLimit: -1", "Use 0 or more.",
		},
		{
			"VK163", "Resources not accepted", Error,
			"Requests may not exceed limits, in moverResources either. Those of a KopiaMaintenance are judged as VolSync itself does: limits are at most 100Gi of memory and 32 CPUs, and only cpu, memory, ephemeral-storage and hugepages-* exist.",
			"kind: KopiaMaintenance\nspec:\n  resources:\n    requests: {memory: 2Gi}\n    limits: {memory: 1Gi}", "Correct the amounts.",
		},
		{
			"VK164", "Schedule without effect", Warning,
			"spec.schedule of a KopiaMaintenance is deprecated, and spec.trigger wins over it.",
			"kind: KopiaMaintenance\nspec:\n  schedule: \"0 2 * * *\"\n  trigger:\n    schedule: \"0 3 * * *\"", "Remove spec.schedule.",
		},
		{
			"VK176", "Two maintenances of one repository", Warning,
			"Two KopiaMaintenances of one namespace name the same Secret. A run keeps out a second one of its own object only, and kopia wants one client at a time to maintain a repository. Two Secrets that open one repository are not seen.",
			"kind: KopiaMaintenance\nmetadata: {name: a}\nspec:\n  repository: {repository: vault}\n---\nkind: KopiaMaintenance\nmetadata: {name: b}\nspec:\n  repository: {repository: vault}", "Keep one of them.",
		},
	}
}

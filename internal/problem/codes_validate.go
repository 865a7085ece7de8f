package problem

import "slices"

// validateCodes documents VK123 to VK190: what the values of a manifest mean.
func validateCodes() []Code {
	return slices.Concat(sourceCodes(), timeCodes(), fileCodes(), volumeCodes(), destinationCodes(), maintenanceCodes(), generalCodes())
}

func sourceCodes() []Code {
	return []Code{
		{
			"VK170", "Unknown copy method", Error,
			"copyMethod says how the point-in-time volume is made. Snapshot, Clone and Direct exist, and None as another word for Direct. Without the field the tool chooses and says why.",
			"spec:\n  kopia:\n    copyMethod: snapshot", "Write Snapshot, Clone or Direct, or leave the field out.",
		},
		{
			"VK171", "No kopia section", Error,
			"Only spec.kopia describes a backup or restore that this tool can run.",
			"spec:\n  sourcePVC: data", "Add spec.kopia with at least repository.",
		},
		{
			"VK172", "No source claim", Error,
			"spec.sourcePVC names the PersistentVolumeClaim that is backed up. It must be in the namespace of the object.",
			"spec:\n  kopia:\n    repository: kopia-config", "Set spec.sourcePVC.",
		},
		{
			"VK123", "No repository", Error,
			"spec.kopia.repository names the Secret with the password and the place of the repository. A repository on repositoryPVC needs it too, for its password.",
			"spec:\n  sourcePVC: data\n  kopia:\n    repositoryPVC: backups", "Set spec.kopia.repository.",
		},
		{
			"VK124", "Source path leaves the volume", Error,
			"sourcePath is a directory of the volume. With .. it could lead out of it.",
			"spec:\n  kopia:\n    sourcePath: ../etc", "Give a path inside the volume.",
		},
		{
			"VK125", "Source path starts with the mount path", Warning,
			"sourcePath is relative to the root of the volume, and /data is where the mover mounts the volume. If the volume itself holds a directory data that one is used, otherwise /data is left out.",
			"spec:\n  kopia:\n    sourcePath: /data/important", "Write the path as the volume has it: important.",
		},
		{
			"VK126", "Recorded path is not absolute", Error,
			"sourcePathOverride is the path that kopia records. Kopia records absolute paths only.",
			"spec:\n  kopia:\n    sourcePathOverride: var/lib/app", "Start it with /.",
		},
		{
			"VK127", "User or host name not allowed", Error,
			"username and hostname become user@host in the repository. They start and end with a letter or a digit and hold letters, digits, dots, underscores and hyphens, as in VolSync's own definition.",
			"spec:\n  kopia:\n    username: team/app", "Correct the name or leave the field out.",
		},
		{
			"VK128", "Negative retention", Error,
			"A number of snapshots to keep is 0 or more. An absent field inherits from the global policy.",
			"spec:\n  kopia:\n    retain:\n      daily: -1", "Use 0 or more, or leave the field out.",
		},
		{
			"VK129", "Retention keeps everything", Warning,
			"When all numbers are 0, kopia does not expire everything: it keeps every snapshot forever.",
			"spec:\n  kopia:\n    retain:\n      hourly: 0\n      daily: 0\n      weekly: 0\n      monthly: 0\n      yearly: 0\n      latest: 0", "Set at least one number.",
		},
		{
			"VK130", "Unknown compression", Error,
			"The mover's kopia does not know the algorithm. Kopia would store the name and then, without a word, not compress.",
			"spec:\n  kopia:\n    compression: zstandard", "Use a name that kopia knows, as zstd.",
		},
		{
			"VK131", "Compression by its short name", Info,
			"The documentation page writes s2, kopia's name is s2-default. It is applied under kopia's name.",
			"spec:\n  kopia:\n    compression: s2", "Write s2-default.",
		},
		{
			"VK132", "Compression that does not work", Error,
			"This kopia version accepts the name, and then every snapshot with data fails. lz4 is so from kopia 0.23 on.",
			"spec:\n  kopia:\n    compression: lz4", "Use another algorithm, as zstd.",
		},
		{
			"VK133", "Parallelism not positive", Error,
			"parallelism is the number of uploads at a time, 1 or more.",
			"spec:\n  kopia:\n    parallelism: 0", "Use 1 or more, or leave the field out.",
		},
		{
			"VK145", "Program not in the mover image", Warning,
			"Actions run in the mover, against the mounted copy. Its image has bash, coreutils and kopia, and nothing else: no tar or grep, no database clients, no kubectl. Besides, the copy is taken before an action runs.",
			"spec:\n  kopia:\n    actions:\n      beforeSnapshot: pg_dump -U postgres app > /data/app.sql", "Run the program in the application with --exec-in and --exec-before, or use a mover image that has it.",
		},
		{
			"VK146", "Two sources, one identity", Warning,
			"Two sources record snapshots under the same user, host and path in the same repository. Each then expires the other's snapshots, and a restore takes whichever is newest. Names that differ only in dots, or only after 50 characters, give the same user name.",
			"metadata:\n  name: my.app\n---\nmetadata:\n  name: myapp", "Give one of them a spec.kopia.username.",
		},
	}
}

func timeCodes() []Code {
	return []Code{
		{
			"VK134", "Not a schedule", Error,
			"A schedule has five fields: minute, hour, day of month, month, day of week. The words @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually are fine too.",
			"spec:\n  trigger:\n    schedule: \"0 25 * * *\"", "Correct the schedule, as \"0 2 * * *\".",
		},
		{
			"VK135", "Schedule that a CronJob cannot run", Error,
			"Schedules run as CronJobs, which know no seconds, no @every and no time zone inside the expression.",
			"spec:\n  trigger:\n    schedule: \"@every 6h\"", "Write the times in five fields, as \"0 */6 * * *\".",
		},
		{
			"VK136", "Schedule that never runs", Warning,
			"The expression is well formed but names a date that no year has.",
			"spec:\n  trigger:\n    schedule: \"0 0 31 2 *\"", "Correct the day or the month.",
		},
		{
			"VK137", "Two triggers", Error,
			"VolSync refuses a KopiaMaintenance with both. Of a ReplicationSource or ReplicationDestination it ignores the schedule when manual is set too: there this is a warning.",
			"spec:\n  trigger:\n    schedule: \"0 2 * * *\"\n    manual: once", "Keep one of the two.",
		},
	}
}

func fileCodes() []Code {
	return []Code{
		{
			"VK138", "Secret and ConfigMap both named", Error,
			"secretName and configMapName are alternatives.",
			"policyConfig:\n  secretName: a\n  configMapName: b", "Remove one of the two.",
		},
		{
			"VK139", "Named key missing", Error,
			"The manifest names a key, and the Secret or ConfigMap in the input does not hold it.",
			"policyConfig:\n  configMapName: policies\n  globalPolicyFilename: typo.json", "Use one of the object's keys, or add the key.",
		},
		{
			"VK140", "Default key missing", Info,
			"No file name is given, and the Secret or ConfigMap has no key of the default name. Nothing is set by that file.",
			"policyConfig:\n  configMapName: policies", "Nothing, or add the key global-policy.json or repository.config.",
		},
		{
			"VK141", "Not the name of a key", Error,
			"A file name of policyConfig is a key of the Secret or ConfigMap: letters, digits, dots, underscores and hyphens, and no directory.",
			"policyConfig:\n  globalPolicyFilename: ../secret", "Give the key's name alone.",
		},
		{
			"VK142", "Object too large", Error,
			"The API server takes at most 1 MiB of data in one Secret or ConfigMap.",
			"kind: ConfigMap\ndata:\n  global-policy.json: (more than 1 MiB)", "Divide it.",
		},
		{
			"VK143", "policyConfig without a file", Error,
			"policyConfig gives file names but no Secret or ConfigMap. An empty policyConfig is a warning: it has no effect.",
			"policyConfig:\n  globalPolicyFilename: my.json", "Set configMapName or secretName.",
		},
		{
			"VK173", "One name for both files", Error,
			"The global policy and the repository configuration have keys of their own. One text read as both gives errors in one of them.",
			"policyConfig:\n  configMapName: policies\n  globalPolicyFilename: repository.config", "Give the two files two names.",
		},
		{
			"VK174", "Two places for the repository", Error,
			"A claim of the manifest holds the repository (repositoryPVC, or the first claim of moverVolumes), and the storage of policyConfig.repositoryConfig says another place. To guess could back up to the wrong one. Filesystem storage in a directory of that claim is no contradiction.",
			"repositoryPVC: backups\npolicyConfig:\n  repositoryConfig: '{\"storage\": {\"type\": \"s3\", \"config\": {\"bucket\": \"b\"}}}'", "Remove one of the two.",
		},
		{
			"VK175", "Not a label", Error,
			"A key or a value cannot be a label of Kubernetes. The API server would refuse the pod after the run has begun.",
			"moverPodLabels:\n  team: \"data base\"", "Use at most 63 letters, digits, \"-\", \"_\" and \".\", a letter or digit at both ends.",
		},
		{
			"VK144", "Incomplete customCA", Error,
			"customCA needs the name of a Secret or ConfigMap and the key of the certificate. Without the key VolSync uses no certificate and says nothing.",
			"customCA:\n  secretName: ca", "Set both, as secretName: ca and key: ca.crt.",
		},
	}
}

func volumeCodes() []Code {
	return []Code{
		{
			"VK147", "Unknown access mode", Error,
			"Kubernetes knows four access modes.",
			"spec:\n  kopia:\n    accessModes: [ReadWrite]", "Use ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.",
		},
		{
			"VK148", "Size not positive", Error,
			"The size of a volume is above 0.",
			"spec:\n  kopia:\n    cacheCapacity: 0Gi", "Give a size, as 10Gi.",
		},
		{
			"VK149", "Snapshot class has no effect", Info,
			"volumeSnapshotClassName is used only with copyMethod Snapshot.",
			"spec:\n  kopia:\n    copyMethod: Clone\n    volumeSnapshotClassName: fast", "Remove it, or set copyMethod: Snapshot.",
		},
		{
			"VK150", "Cache limits", Error,
			"A limit is 0 or more megabytes. As an information: 0 stands for one that fits cacheCapacity, not for none. As a warning: the limits together do not fit into cacheCapacity; kopia's index cache takes the metadata limit again.",
			"spec:\n  kopia:\n    cacheCapacity: 1Gi\n    contentCacheSizeLimitMB: 2000", "Raise cacheCapacity, lower the limits, or leave them out.",
		},
		{
			"VK151", "Bad mount path", Error,
			"mountPath is the name of one directory below /mnt.",
			"moverVolumes:\n- mountPath: a/b", "Give a name without / and without .. in it.",
		},
		{
			"VK152", "Mount path twice", Error,
			"Two volumes cannot be mounted at one place.",
			"moverVolumes:\n- mountPath: a\n- mountPath: a", "Give each volume a mountPath of its own.",
		},
		{
			"VK153", "Volume without or with two sources", Error,
			"Each volume of moverVolumes names exactly one of persistentVolumeClaim, nfs and secret, and there the claim, the server's directory or the Secret.",
			"moverVolumes:\n- mountPath: a\n  volumeSource: {}", "Set one of the three.",
		},
		{
			"VK154", "More than one claim", Warning,
			"The first claim of moverVolumes is the repository. Further claims are mounted only.",
			"moverVolumes:\n- mountPath: a\n  volumeSource: {persistentVolumeClaim: {claimName: a}}\n- mountPath: b\n  volumeSource: {persistentVolumeClaim: {claimName: b}}", "Remove the claim, unless an action needs it.",
		},
		{
			"VK169", "Too many arguments", Error,
			"additionalArgs takes 20 entries, as in VolSync's own definition.",
			"spec:\n  kopia:\n    additionalArgs: (21 entries)", "Remove some; settings such as ignore rules belong into a policy file.",
		},
	}
}

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
	}
}

func generalCodes() []Code {
	return []Code{
		{
			"VK166", "Not the name of an object", Error,
			"Names of Kubernetes objects have small letters, digits, hyphens and dots, start and end with a letter or a digit, and are at most 253 characters long.",
			"spec:\n  sourcePVC: My_Data", "Correct the name; expand variables with --envsubst.",
		},
		{
			"VK180", "Settings inside the repository Secret", Warning,
			"KOPIA_MANUAL_CONFIG is understood and applied, but it stands in a Secret, which is not read on a cluster: a plan cannot show what it does.",
			"kind: Secret\nstringData:\n  KOPIA_MANUAL_CONFIG: |\n    {\"compression\": {\"compressor\": \"zstd\"}}", "Move the settings into the manifest or into a policy ConfigMap.",
		},
		{
			"VK190", "Value not accepted", Error,
			"The value is not what the field takes; the message says what it takes.",
			"{\"retention\": {\"keepDaily\": \"seven\"}}", "Correct the value or remove the field.",
		},
	}
}

package problem

import "slices"

// validateCodes documents VK123 to VK190: what the values of a manifest mean.
func validateCodes() []Code {
	return slices.Concat(sourceCodes(), settingCodes(), timeCodes(), fileCodes(), volumeCodes(), destinationCodes(), maintenanceCodes(), generalCodes())
}

// sourceCodes are about what is backed up, and under which name.
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
	}
}

// settingCodes are about how the snapshots of a source are made and kept.
func settingCodes() []Code {
	return []Code{
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

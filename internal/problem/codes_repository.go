package problem

import "slices"

// repositoryCodes documents VK4xx: the repository and its Secret, and what a
// run finds there.
func repositoryCodes() []Code {
	return slices.Concat(secretCodes(), valueCodes(), moverCodes(), settingsCodes())
}

// secretCodes are found in the repository Secret alone: it does not say where the
// repository is, or not what its storage needs.
func secretCodes() []Code {
	return []Code{
		{
			ID: "VK401", Title: "No repository", Severity: Error,
			Meaning: "The repository Secret does not say where the repository is: it has no KOPIA_REPOSITORY and no key that names a bucket, container, host or folder. With --repository-dir it need not: the directory stands in for the repository.",
			Example: "stringData:\n  KOPIA_PASSWORD: secret",
			Fix:     "Set KOPIA_REPOSITORY, for example s3://bucket/prefix or filesystem:///kopia/repository.",
		},
		{
			ID: "VK402", Title: "No password", Severity: Error,
			Meaning: "KOPIA_PASSWORD is missing or empty. Every repository is encrypted with it.",
			Example: "stringData:\n  KOPIA_REPOSITORY: s3://backups",
			Fix:     "Add KOPIA_PASSWORD, and keep a copy outside the cluster: without it nothing can be restored.",
		},
		{
			ID: "VK403", Title: "Missing key", Severity: Error,
			Meaning: "The chosen kind of storage needs a key that the Secret does not have. Where several keys serve, all are named.",
			Example: "stringData:\n  KOPIA_PASSWORD: secret\n  KOPIA_B2_BUCKET: backups",
			Fix:     "Add the key to the Secret. SFTP always needs known hosts: SFTP_KNOWN_HOSTS_DATA.",
		},
		{
			ID: "VK404", Title: "Unusable KOPIA_REPOSITORY", Severity: Error,
			Meaning: "KOPIA_REPOSITORY has no scheme, an unknown one, or a path that is not absolute or leads upwards.",
			Example: "stringData:\n  KOPIA_REPOSITORY: filesystem://kopia/../repository",
			Fix:     "Use s3, azure, gcs, b2, sftp, webdav, rclone, gdrive or filesystem, and an absolute path: filesystem:///kopia/repository.",
		},
		{
			ID: "VK405", Title: "Manifest and Secret disagree", Severity: Error,
			Meaning: "The manifest, or --repository-dir, names one kind of storage and the repository Secret another, or both name the same kind and another bucket, container, host or folder. To guess could back up to the wrong place. The directory of a repositoryPVC, and that of --repository-dir, stand in for the one that the Secret names; a directory in policyConfig.repositoryConfig must be the Secret's.",
			Example: "spec:\n  kopia:\n    repositoryPVC: backups # and the Secret has KOPIA_S3_BUCKET",
			Fix:     "Remove one of the two, or name another Secret.",
		},
	}
}

// valueCodes are about what the keys of the Secret hold.
func valueCodes() []Code {
	return []Code{
		{
			ID: "VK406", Title: "Several kinds of storage", Severity: Warning,
			Meaning: "The Secret has keys of more than one kind of storage. The first in the order S3, Azure, GCS, filesystem, B2, WebDAV, SFTP, rclone, Google Drive is used.",
			Example: "stringData:\n  KOPIA_S3_BUCKET: old\n  KOPIA_REPOSITORY: filesystem:///kopia/repository",
			Fix:     "Remove the keys that are not meant.",
		},
		{
			ID: "VK407", Title: "Password is a command", Severity: Warning,
			Meaning: "KOPIA_PASSWORD is the text of a shell command. Kubernetes runs no commands in a Secret, so this text is the password.",
			Example: "stringData:\n  KOPIA_PASSWORD: $(openssl rand -base64 32)",
			Fix:     "For a new repository put the command's output there. An existing one keeps the text until its password is changed.",
		},
		{
			ID: "VK408", Title: "TLS is off", Severity: Info,
			Meaning: "The endpoint starts with http://, so kopia talks to it without TLS.",
			Example: "stringData:\n  KOPIA_S3_ENDPOINT: http://minio:9000",
			Fix:     "Use https:// outside a trusted network.",
		},
		{
			ID: "VK409", Title: "Password in the repository URL", Severity: Error,
			Meaning: "A key that says where the repository is also contains a password, as in user:password@host. Plans, logs and the mover's Task show these keys.",
			Example: "stringData:\n  KOPIA_REPOSITORY: webdav://me:secret@dav.example.com/backups",
			Fix:     "Take it out of the place and put it into the key that is meant for it, as WEBDAV_PASSWORD, SFTP_PASSWORD or RCLONE_CONFIG.",
		},
		{
			ID: "VK410", Title: "Unusable value in the Secret", Severity: Error,
			Meaning: "A key of the repository Secret has a value that kopia could not use: a port that is no number, a path where the content of a key file belongs, something else than true or false, a KOPIA_OVERRIDE_MAINTENANCE_USERNAME that is neither user nor user@host. The value is not shown.",
			Example: "stringData:\n  GOOGLE_APPLICATION_CREDENTIALS: /credentials/gcs.json",
			Fix:     "Correct the value as the finding says.",
		},
	}
}

// moverCodes are what a mover finds in the data and beside it.
func moverCodes() []Code {
	return []Code{
		{
			ID: "VK420", Title: "Mount path in sourcePath", Severity: Warning,
			Meaning: "sourcePath starts with the mount path /data and the volume has no such directory, so it was read without it.",
			Example: "spec:\n  kopia:\n    sourcePath: /data/important",
			Fix:     "Write sourcePath relative to the volume: important.",
		},
		{
			ID: "VK421", Title: "lost+found left out", Severity: Info,
			Meaning: "The volume's root has a lost+found directory that only root can read. It holds no user data and would make every backup incomplete.",
			Example: "# an ext4 volume and a mover that does not run as root",
			Fix:     "Nothing to do.",
		},
		{
			ID: "VK422", Title: "After-action failed", Severity: Warning,
			Meaning: "The afterSnapshot action failed or ran into its time limit. The snapshot is not affected; what the action should have undone may still be in place.",
			Example: "spec:\n  kopia:\n    actions:\n      afterSnapshot: exit 1",
			Fix:     "Read the action's output in the mover's log and undo by hand what is left.",
		},
		{
			ID: "VK423", Title: "Unreadable files ignored", Severity: Warning,
			Meaning: "Files could not be read, and a policy says that such errors are ignored. They are not in the snapshot.",
			Example: `{"errorHandling": {"ignoreFileErrors": true}}`,
			Fix:     "Run the mover as the owner of the files, or use --strict to make this an incomplete backup.",
		},
		{
			ID: "VK424", Title: "Cache nearly full", Severity: Warning,
			Meaning: "Kopia's cache fills 80 % or more of its volume. Its index cache has no limit of its own, and a full volume fails the backup.",
			Example: "spec:\n  kopia:\n    cacheCapacity: 100Mi",
			Fix:     "Raise spec.kopia.cacheCapacity, or lower the cache size limits.",
		},
		{
			ID: "VK425", Title: "Incomplete snapshot restored", Severity: Warning,
			Meaning: "The snapshot that was asked for by its id is incomplete: files are missing in it. Incomplete snapshots are never chosen by themselves.",
			Example: "kubectl volsync-kopia restore --snapshot-id 9c2e01f1a40d6c3b7f0b3a1f5b8e2d47 ...",
			Fix:     "Restore the newest complete snapshot by leaving the id out.",
		},
		{
			ID: "VK429", Title: "Files missing in the snapshot", Severity: Warning,
			Meaning: "Files could not be read when the restored snapshot was taken, so it lacks them, also where a policy ignores such errors. It is complete otherwise, and may be the best there is.",
			Example: "# a backup that ended with exit code 4, or with the warning VK423",
			Fix:     "Look for the files in an older snapshot, with --previous or --as-of, and find out why they cannot be read.",
		},
	}
}

// settingsCodes are about policies and schedules that a mover could or would not set.
func settingsCodes() []Code {
	return []Code{
		{
			ID: "VK427", Title: "Policy file not used", Severity: Warning,
			Meaning: "A policy file cannot be used, and --policy-errors=warn lets the backup run without it. The repository's own settings stay.",
			Example: "data:\n  global-policy.json: |\n    {invalid json here}",
			Fix:     "Correct the file: validate shows each mistake with its line.",
		},
		{
			ID: "VK428", Title: "Global ignore rules replaced", Severity: Info,
			Meaning: "The global policy of the repository has ignore rules, and the manifest gives this source a list of its own under repositoryConfig.policies. In kopia a source's list replaces the global one whole, so those rules do not apply to it.",
			Example: "spec:\n  kopia:\n    policyConfig:\n      repositoryConfig: {policies: {files: {ignore: [\"*.tmp\"]}}} # and the global policy ignores *.log",
			Fix:     "Add the rules to the source as well, or give the source's with --ignore in additionalArgs, which adds to the global ones; kopia policy show --global prints them.",
		},
		{
			ID: "VK430", Title: "Maintenance schedule not set", Severity: Warning,
			Meaning: "The run could not give the repository the maintenance schedule of repositoryConfig: it keeps what it has. The next run tries again.",
			Example: "spec:\n  kopia:\n    policyConfig:\n      repositoryConfig: {maintenance: {fullCycle: {interval: 48h}}}",
			Fix:     "See what kopia says; set it by hand where the mover may not: kopia maintenance set --full-interval=48h.",
		},
		{
			ID: "VK431", Title: "Actions in the repository not run", Severity: Info,
			Meaning: "Policies of the repository that apply to this source hold actions of kopia's that are not in this manifest's policy file. They are never run. Where the manifest has actions of its own and --allow-policy-actions is given, kopia could not run one without the other, and the backup is refused (exit 5).",
			Example: "kopia policy set --global --before-snapshot-root-action /usr/local/bin/freeze",
			Fix:     "Remove them with kopia policy edit if nobody needs them; otherwise nothing has to be done.",
		},
	}
}

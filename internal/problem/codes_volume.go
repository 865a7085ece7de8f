package problem

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

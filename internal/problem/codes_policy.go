package problem

// policyCodes documents VK3xx: policies and repository configuration.
func policyCodes() []Code {
	return append(policyDocumentCodes(), policyMeaningCodes()...)
}

// policyDocumentCodes are about what stands in a document.
func policyDocumentCodes() []Code {
	return []Code{
		{
			ID: "VK301", Title: "Invalid JSON", Severity: Error,
			Meaning: "A policy document is not one JSON object: a trailing comma, a key that appears twice, text after the end, or more than 1 MiB. Nothing in it can be trusted, so none of it is used.",
			Example: `{"retention": {"keepDaily": 7,}}`,
			Fix:     "Correct the text at the line and column given. With --policy-errors=warn a run goes on with the repository's own settings; not for policyConfig.repositoryConfig, which may say where the repository is.",
		},
		{
			ID: "VK302", Title: "Unknown key", Severity: Error,
			Meaning: "Neither kopia nor the documentation page knows the key at this place. Kopia refuses the whole import because of one such key.",
			Example: `{"retention": {"keepDayly": 7}}`,
			Fix:     "Correct or remove the key; the message names the nearest one or the section where it belongs.",
		},
		{
			ID: "VK303", Title: "Wrong value", Severity: Error,
			Meaning: "The value has the wrong type or is out of bounds. Kopia would refuse the import, or store something that was not meant.",
			Example: `{"retention": {"keepDaily": "7"}}`,
			Fix:     "Write the value as the message says, for numbers without quotes and units.",
		},
		{
			ID: "VK304", Title: "Two spellings, two values", Severity: Error,
			Meaning: "The documentation page's key and kopia's own key for the same setting both stand in one document, with different values.",
			Example: `{"retention": {"keepYearly": 3, "keepAnnual": 5}}`,
			Fix:     "Keep one of the two keys.",
		},
		{
			ID: "VK305", Title: "Unknown algorithm", Severity: Error,
			Meaning: "The mover's kopia does not know the name. Kopia's policy import does not check names: a wrong compressor is stored and the next snapshot is silently not compressed.",
			Example: `{"compression": {"compressor": "s2-parallel-16"}}`,
			Fix:     "Choose one of the names in the message.",
		},
		{
			ID: "VK306", Title: "Name translated", Severity: Info,
			Meaning: "Kopia calls the algorithm by another name, and that one is used: s2 is s2-default, REED-SOLOMON is REED-SOLOMON-CRC32.",
			Example: `{"compression": {"compressor": "s2"}}`,
			Fix:     "Nothing has to be done; write kopia's name to be rid of the note.",
		},
		{
			ID: "VK308", Title: "No compression levels", Severity: Warning,
			Meaning: "Kopia has no compression levels, it has named variants of its compressors. The variant that is nearest to the level is used.",
			Example: `{"compression": {"compressor": "zstd", "compressionLevel": 9}}`,
			Fix:     `Name the variant, as "compressor": "zstd-best-compression", and remove the level.`,
		},
		{
			ID: "VK312", Title: "Credential in the manifest", Severity: Error,
			Meaning: "The structured repository configuration holds a credential. Everyone who can read the manifest, or the repository it is kept in, can read it.",
			Example: `{"storage": {"type": "s3", "config": {"secretAccessKey": "..."}}}`,
			Fix:     "Move it to the Secret that spec.kopia.repository names; what is missing in the structured storage is filled from there. Then change it at the provider. --policy-errors=warn does not soften this, nor anything else about storage.",
		},
		{
			ID: "VK316", Title: "Broken algorithm", Severity: Error,
			Meaning: "The mover's kopia accepts the name and then fails: with lz4 every snapshot fails from kopia 0.23 on.",
			Example: `{"compression": {"compressor": "lz4"}}`,
			Fix:     "Use zstd-fastest or s2-default.",
		},
	}
}

// policyMeaningCodes are about keys that do less, or something else, than
// their name says.
func policyMeaningCodes() []Code {
	return []Code{
		{
			ID: "VK307", Title: "No meaning in kopia", Severity: Warning,
			Meaning: "Kopia has nothing for the key: sizes of a splitter, ignoreDeleted, encryption in a policy, auditLog, requireTwoFactorAuth. It is left out. A key that is null is only an info.",
			Example: `{"files": {"ignoreDeleted": false}}`,
			Fix:     "Remove the key.",
		},
		{
			ID: "VK309", Title: "Takes effect elsewhere", Severity: Info,
			Meaning: "The key is no policy in kopia but takes effect in another operation: downloadParallelism is the parallelism of a restore.",
			Example: `{"scheduling": {"downloadParallelism": 4}}`,
			Fix:     "Nothing has to be done.",
		},
		{
			ID: "VK310", Title: "At creation only", Severity: Info,
			Meaning: "The value is fixed when a repository is created. If this run creates the repository it is used, otherwise the repository keeps what it has.",
			Example: `{"encryptionAlgorithm": "AES256-GCM-HMAC-SHA256"}`,
			Fix:     "Nothing has to be done; to change it, make a new repository.",
		},
		{
			ID: "VK311", Title: "Action in a policy", Severity: Warning,
			Meaning: "The policy holds an action that kopia itself would run in the mover. Without the caller's word it is left out, so that a policy file alone cannot run commands.",
			Example: `{"actions": {"beforeSnapshotRoot": {"script": "sync"}}}`,
			Fix:     "Use spec.kopia.actions, or give --allow-policy-actions.",
		},
		{
			ID: "VK313", Title: "Kopia's own schedule", Severity: Info,
			Meaning: "Only a kopia server reads the schedule of a policy. Here the trigger of the manifest says when snapshots are taken, so the key is left out.",
			Example: `{"scheduling": {"interval": "6h"}}`,
			Fix:     "Set spec.trigger.schedule.",
		},
		{
			ID: "VK314", Title: "Identity in the repository configuration", Severity: Warning,
			Meaning: "The structured configuration names a user or a host. Whom a snapshot belongs to is said by the manifest's own fields, and the key is left out.",
			Example: `{"username": "app", "hostname": "prod"}`,
			Fix:     "Set spec.kopia.username and spec.kopia.hostname.",
		},
		{
			ID: "VK315", Title: "Managed by this tool", Severity: Warning,
			Meaning: "This tool decides the value itself: where the cache lies, and that the owner of maintenance stays as it is.",
			Example: `{"caching": {"cacheDirectory": "/tmp/kopia-cache"}}`,
			Fix:     "Remove the key.",
		},
		{
			ID: "VK317", Title: "Not possible on one path", Severity: Warning,
			Meaning: "Kopia refuses the setting in the policy of a single path: maxParallelSnapshots belongs to a host or to all sources. It is left out.",
			Example: `{"policies": {"upload": {"maxParallelSnapshots": 2}}}`,
			Fix:     "Set it in the global policy file.",
		},
		{
			ID: "VK318", Title: "Actions are turned off", Severity: Info,
			Meaning: "The manifest has actions, and its own configuration says enableActions: false. Neither action runs, so a snapshot is taken without what beforeSnapshot would have prepared.",
			Example: "spec:\n  kopia:\n    actions: {beforeSnapshot: sync}\n    policyConfig:\n      repositoryConfig: '{\"enableActions\": false}'",
			Fix:     "Set enableActions to true, or remove the actions.",
		},
	}
}

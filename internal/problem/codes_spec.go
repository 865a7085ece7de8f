package problem

import "slices"

// specCodes documents VK1xx: the shape and the fields of a manifest.
func specCodes() []Code {
	return slices.Concat(specTextCodes(), specFieldCodes(), specValueCodes(), specObjectCodes())
}

func specTextCodes() []Code {
	return []Code{
		{
			ID: "VK101", Title: "Not YAML", Severity: Error,
			Meaning: "The document cannot be read as YAML (JSON is YAML too). The other documents of the file are still checked.",
			Example: "spec:\n  sourcePVC: data\n kopia: {}",
			Fix:     "Correct the line that is named, or the one before it: most often the indentation, a missing quote or a tab.",
		},
		{
			ID: "VK102", Title: "Empty file", Severity: Warning,
			Meaning: "The file is empty or holds comments only.",
			Example: "# nothing here yet",
			Fix:     "Remove the file from the command line, or put a manifest into it.",
		},
		{
			ID: "VK103", Title: "Nothing to read", Severity: Error,
			Meaning: "No input holds an object that this tool reads.",
			Example: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: prod",
			Fix:     "Name the file with the ReplicationSource, ReplicationDestination or KopiaMaintenance.",
		},
		{
			ID: "VK104", Title: "Limit exceeded", Severity: Error,
			Meaning: "The file has more than 16 MiB, or a document is nested more than 200 levels deep, has more than a million elements, or has aliases that expand to more than 100,000 elements or 16 MiB. Such a document is not read.",
			Example: "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]  # and so on, many times",
			Fix:     "Split the file, or write the document out without its aliases.",
		},
		{
			ID: "VK105", Title: "Not a Kubernetes object", Severity: Error,
			Meaning: "The document has no apiVersion or no kind, so nobody can say what it describes.",
			Example: "metadata:\n  name: app\nspec:\n  sourcePVC: data",
			Fix:     "Begin the document with apiVersion and kind.",
		},
		{
			ID: "VK106", Title: "Unknown kind or version", Severity: Error,
			Meaning: "The kind or the apiVersion is close to one that this tool reads, but not one of them. The document was not read.",
			Example: "apiVersion: volsync.backube/v1\nkind: ReplicationSource",
			Fix:     "Write volsync.backube/v1alpha1 with ReplicationSource, ReplicationDestination or KopiaMaintenance; v1 with Secret or ConfigMap.",
		},
		{
			ID: "VK107", Title: "Object ignored", Severity: Info,
			Meaning: "The document describes an object of a kind that plays no role in a backup. It is neither checked nor applied.",
			Example: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: prod",
			Fix:     "Nothing has to be done.",
		},
	}
}

func specFieldCodes() []Code {
	return []Code{
		{
			ID: "VK108", Title: "Unknown field", Severity: Error,
			Meaning: "The object has no field of this name. A cluster would drop it silently, so what it was meant to do would not happen.",
			Example: "spec:\n  kopia:\n    paralelism: 4",
			Fix:     "Correct the name or remove the field.",
		},
		{
			ID: "VK109", Title: "Wrong type", Severity: Error,
			Meaning: "The value has another type than its field: a string where a number is wanted, a list where an object is wanted. Words like yes, no, on and off are booleans for Kubernetes unless they are quoted.",
			Example: "spec:\n  kopia:\n    parallelism: \"4\"",
			Fix:     "Write the value in the type that is named.",
		},
		{
			ID: "VK110", Title: "Duplicate key", Severity: Error,
			Meaning: "The same key appears twice in one object; only one of the values could count.",
			Example: "spec:\n  kopia:\n    repository: a\n    repository: b",
			Fix:     "Remove one of them.",
		},
		{
			ID: "VK111", Title: "Field in the wrong place", Severity: Error,
			Meaning: "The field exists, but in another part of the manifest or in another kind.",
			Example: "spec:\n  additionalArgs: [\"--parallel=4\"]",
			Fix:     "Move the field to the place that is named.",
		},
		{
			ID: "VK112", Title: "Removed field", Severity: Error,
			Meaning: "The field belonged to an earlier version or has another name now.",
			Example: "spec:\n  kopia:\n    maintenanceIntervalDays: 7",
			Fix:     "Use the replacement that is named, as a KopiaMaintenance object for maintenance.",
		},
		{
			ID: "VK113", Title: "Another mover", Severity: Error,
			Meaning: "The object describes a backup with restic, rclone, rsync, rsyncTLS, syncthing or an external provider. This tool runs kopia only.",
			Example: "spec:\n  restic:\n    repository: restic-config",
			Fix:     "Describe the backup under spec.kopia, or leave the object to a VolSync operator.",
		},
		{
			ID: "VK117", Title: "Deprecated field", Severity: Info,
			Meaning: "The field still works, but another one has taken its place.",
			Example: "kind: KopiaMaintenance\nspec:\n  schedule: \"0 2 * * *\"",
			Fix:     "Write spec.trigger.schedule.",
		},
	}
}

func specValueCodes() []Code {
	return []Code{
		{
			ID: "VK114", Title: "Not a quantity", Severity: Error,
			Meaning: "The size is not written as Kubernetes writes sizes.",
			Example: "spec:\n  kopia:\n    cacheCapacity: 10GB",
			Fix:     "Write 10Gi (powers of 1024) or 10G (powers of 1000).",
		},
		{
			ID: "VK115", Title: "Not a timestamp", Severity: Error,
			Meaning: "The time is not written as RFC 3339, with date, time and zone.",
			Example: "spec:\n  kopia:\n    restoreAsOf: 2026-01-31",
			Fix:     "Write 2026-01-31T18:00:00Z.",
		},
		{
			ID: "VK118", Title: "Not base64", Severity: Error,
			Meaning: "A value under data of a Secret, or under binaryData of a ConfigMap, is not base64. The value is never shown.",
			Example: "kind: Secret\ndata:\n  KOPIA_PASSWORD: not base64!",
			Fix:     "Encode the value, or move it to stringData (Secret) or data (ConfigMap).",
		},
		{
			ID: "VK119", Title: "Bad data key", Severity: Error,
			Meaning: "A key of a Secret or ConfigMap is not legal, or stands in both data and binaryData.",
			Example: "kind: ConfigMap\ndata:\n  \"global policy.json\": \"{}\"",
			Fix:     "Use at most 253 letters, digits, \"-\", \"_\" and \".\", and each key once.",
		},
		{
			ID: "VK120", Title: "Variable not set", Severity: Error,
			Meaning: "With --envsubst, a value refers to a variable that is not set and gives no default. In a Secret the name is shown only when the value is nothing but the reference.",
			Example: "spec:\n  kopia:\n    hostname: ${CLUSTER}",
			Fix:     "Set the variable, write a default as ${CLUSTER:-prod}, or $${CLUSTER} for the text itself.",
		},
		{
			ID: "VK121", Title: "Bad substitution", Severity: Error,
			Meaning: "With --envsubst, a value holds a ${ that is not a substitution, or too many or too deeply nested ones.",
			Example: "spec:\n  kopia:\n    hostname: ${CLUSTER",
			Fix:     "Close the brace, or write $${ for a ${ that is meant literally.",
		},
	}
}

func specObjectCodes() []Code {
	return []Code{
		{
			ID: "VK116", Title: "Bad name", Severity: Error,
			Meaning: "metadata.name is missing or not a DNS-1123 subdomain, or metadata.namespace is not a DNS-1123 label. The identity of the snapshots comes from them.",
			Example: "metadata:\n  name: My_App",
			Fix:     "Use lower-case letters, digits, \"-\" and (in names) \".\".",
		},
		{
			ID: "VK122", Title: "Defined twice", Severity: Error,
			Meaning: "Two documents of the input describe the same object: kind, namespace and name are equal.",
			Example: "kind: ReplicationSource\nmetadata:\n  name: app\n---\nkind: ReplicationSource\nmetadata:\n  name: app",
			Fix:     "Remove one of them, or give it another name.",
		},
	}
}

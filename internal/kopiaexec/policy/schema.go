package policy

import (
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// policyRules is the grammar of a policy in both spellings. Kopia's own keys
// are those of its policy documents, the same in 0.21, 0.22 and 0.23.
func policyRules() map[string]rule {
	return map[string]rule{
		"retention":     object(retentionRules()),
		"files":         object(filesRules()),
		"errorHandling": object(errorRules()),
		"scheduling":    object(schedulingRules()),
		"compression":   object(compressionRules()),
		"metadataCompression": object(map[string]rule{
			"compressorName": named(kindCompressor, "metadataCompression.compressorName"),
			"compressor":     named(kindCompressor, "metadataCompression.compressorName"),
		}),
		"splitter":    object(splitterRules()),
		"actions":     object(actionRules()),
		"osSnapshots": object(map[string]rule{"volumeShadowCopy": object(map[string]rule{"enable": within("osSnapshots.volumeShadowCopy.enable", 2)})}),
		"logging":     object(loggingRules()),
		"upload":      object(uploadRules()),
		"noParent":    plainToggle("noParent"),
		"encryption": meaningless("is no part of a policy; kopia chooses the encryption when a repository is created",
			"remove it here; set encryptionAlgorithm in the repository configuration before the first backup"),
	}
}

func retentionRules() map[string]rule {
	return map[string]rule{
		"keepLatest":               count("retention.keepLatest"),
		"keepHourly":               count("retention.keepHourly"),
		"keepDaily":                count("retention.keepDaily"),
		"keepWeekly":               count("retention.keepWeekly"),
		"keepMonthly":              count("retention.keepMonthly"),
		"keepAnnual":               count("retention.keepAnnual"),
		"keepYearly":               count("retention.keepAnnual"),
		"ignoreIdenticalSnapshots": toggle("retention.ignoreIdenticalSnapshots"),
	}
}

func filesRules() map[string]rule {
	return map[string]rule{
		"ignore":                 texts("files.ignore"),
		"noParentIgnore":         plainToggle("files.noParentIgnore"),
		"ignoreDotFiles":         texts("files.ignoreDotFiles"),
		"dotIgnoreFiles":         texts("files.ignoreDotFiles"),
		"noParentDotFiles":       plainToggle("files.noParentDotFiles"),
		"ignoreCacheDirs":        toggle("files.ignoreCacheDirs"),
		"ignoreCacheDirectories": toggle("files.ignoreCacheDirs"),
		"maxFileSize":            bytesize("files.maxFileSize"),
		"oneFileSystem":          toggle("files.oneFileSystem"),
		"ignoreDeleted": meaningless("has no meaning in kopia and is left out; a snapshot never holds deleted files",
			"remove the key"),
	}
}

func errorRules() map[string]rule {
	return map[string]rule{
		"ignoreFileErrors":      toggle("errorHandling.ignoreFileErrors"),
		"ignoreDirectoryErrors": toggle("errorHandling.ignoreDirectoryErrors"),
		"ignoreUnknownTypes":    toggle("errorHandling.ignoreUnknownTypes"),
	}
}

// schedulingRules leave kopia's own schedule out. Only a kopia server reads
// it, and importing a part of it beside a stored "manual" (which every
// snapshot of this tool sets on its source) makes kopia refuse the whole
// import.
func schedulingRules() map[string]rule {
	server := func(k kind) rule {
		return rule{kind: k, max: 1 << 62}.noted(codeSchedule, problem.Info,
			"is read by a kopia server only and is left out; snapshots are taken when trigger.schedule says",
			"set spec.trigger.schedule")
	}
	return map[string]rule{
		"interval":          server(kindAny),
		"intervalSeconds":   server(kindInteger),
		"timeOfDay":         server(kindAny),
		"noParentTimeOfDay": server(kindBool),
		"manual":            server(kindBool),
		"cron":              server(kindTexts),
		"runMissed":         server(kindBool),
		"uploadParallelism": count("upload.maxParallelFileReads"),
		"downloadParallelism": count(toRestoreParallel).noted(codeElsewhere, problem.Info,
			"is no policy in kopia; a restore uses it as --parallel", ""),
	}
}

func compressionRules() map[string]rule {
	return map[string]rule{
		"compressorName":        named(kindCompressor, toCompressor),
		"compressor":            named(kindCompressor, toCompressor),
		"compressionLevel":      named(kindLevel, toLevel),
		"onlyCompress":          texts("compression.onlyCompress"),
		"noParentOnlyCompress":  plainToggle("compression.noParentOnlyCompress"),
		"neverCompress":         texts("compression.neverCompress"),
		"noParentNeverCompress": plainToggle("compression.noParentNeverCompress"),
		"minSize":               bytesize("compression.minSize"),
		"maxSize":               bytesize("compression.maxSize"),
	}
}

func splitterRules() map[string]rule {
	size := meaningless("has no meaning in kopia and is left out; the name of the splitter gives the sizes",
		"remove the key; choose a splitter by name, as DYNAMIC-4M-BUZHASH")
	return map[string]rule{
		"algorithm": named(kindSplitter, "splitter.algorithm"),
		"minSize":   size,
		"maxSize":   size,
	}
}

func actionRules() map[string]rule {
	return map[string]rule{
		"beforeSnapshotRoot": named(kindAction, "actions.beforeSnapshotRoot"),
		"afterSnapshotRoot":  named(kindAction, "actions.afterSnapshotRoot"),
		"beforeFolder":       named(kindAction, "actions.beforeFolder"),
		"afterFolder":        named(kindAction, "actions.afterFolder"),
	}
}

func loggingRules() map[string]rule {
	const most = 10
	return map[string]rule{
		"directories": object(map[string]rule{
			"snapshotted": within("logging.directories.snapshotted", most),
			"ignored":     within("logging.directories.ignored", most),
		}),
		"entries": object(map[string]rule{
			"snapshotted": within("logging.entries.snapshotted", most),
			"ignored":     within("logging.entries.ignored", most),
			"cacheHit":    within("logging.entries.cacheHit", most),
			"cacheMiss":   within("logging.entries.cacheMiss", most),
		}),
	}
}

func uploadRules() map[string]rule {
	large := bytesize("upload.parallelUploadAboveSize")
	large.optional = true
	return map[string]rule{
		"maxParallelSnapshots":    count(toParallelSnapshots),
		"maxParallelFileReads":    count("upload.maxParallelFileReads"),
		"parallelUploadAboveSize": large,
	}
}

// Settings that need a treatment of their own; those that start with # are no
// part of kopia's policy.
const (
	toCompressor        = "compression.compressorName"
	toParallelSnapshots = "upload.maxParallelSnapshots"
	toLevel             = "#compressionLevel"
	toRestoreParallel   = "#restoreParallel"
)

// sameAsUnset returns the settings whose zero value kopia does not store.
func sameAsUnset() map[string]bool {
	unset := map[string]bool{}
	var collect func(fields map[string]rule)
	collect = func(fields map[string]rule) {
		for _, r := range fields {
			if r.to != "" && !strings.HasPrefix(r.to, "#") && !r.optional {
				unset[r.to] = true
			}
			collect(r.fields)
		}
	}
	collect(policyRules())
	// Not written by this tool, but stored in this way all the same.
	for _, path := range []string{"scheduling.intervalSeconds", "scheduling.manual", "scheduling.noParentTimeOfDay"} {
		unset[path] = true
	}
	return unset
}

// ownedSections are the parts of a source's own policy that are exactly what
// the manifest says; a rule that left the manifest leaves the repository.
func ownedSections() []string {
	return []string{"retention", "compression", "files", "errorHandling", "upload", "splitter"}
}

package spec

import "slices"

// removal is a field that manifests in the wild still carry.
type removal struct {
	kinds   []string
	path    string
	names   []string
	message string
	fix     string
}

// removals lists fields that earlier versions of the CRDs or their documentation
// had, and what stands in for each.
func removals() []removal {
	movers := []string{KindReplicationSource, KindReplicationDestination}
	return []removal{
		{
			kinds: movers, path: "spec.kopia",
			names:   []string{"maintenanceIntervalDays", "pruneIntervalDays"},
			message: "this field was removed: a repository is maintained by an object of its own, a KopiaMaintenance",
			fix:     "remove it and write a KopiaMaintenance with spec.repository.repository and spec.trigger.schedule",
		},
		{
			kinds: movers, path: "spec.kopia",
			names:   []string{"maintenance", "maintenanceCronJob", "maintenanceSchedule"},
			message: "maintenance is not part of a source or destination: it has an object of its own, a KopiaMaintenance",
			fix:     "remove it and write a KopiaMaintenance with spec.repository.repository and spec.trigger.schedule",
		},
		{
			kinds: []string{KindReplicationSource}, path: "spec.kopia",
			names:   []string{"retainPolicy", "retention", "retentionPolicy"},
			message: "this field is called retain",
			fix:     "write spec.kopia.retain with hourly, daily, weekly, monthly, yearly and latest",
		},
		{
			kinds: []string{KindKopiaMaintenance}, path: "spec",
			names:   []string{"repositorySelector", "namespaceSelector", "matchedSources", "priority"},
			message: "this field does not exist: a KopiaMaintenance serves the one repository that it names",
			fix:     "remove it and name the repository's Secret in spec.repository.repository",
		},
	}
}

func removalOf(kind, path, name string) (removal, bool) {
	for _, r := range removals() {
		if r.path == path && slices.Contains(r.kinds, kind) && slices.Contains(r.names, name) {
			return r, true
		}
	}
	return removal{}, false
}

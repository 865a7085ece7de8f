package main

import (
	_ "embed"
	"reflect"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const (
	group   = "volsync.backube"
	version = "v1alpha1"
)

// statusFile holds the status of each kind: fields of VolSync that this tool
// writes, and those that VolSync alone writes.
//
//go:embed status.yaml
var statusFile []byte

// kind is what a definition says beyond the schema and the types. Names, columns,
// defaults and rules are those of VolSync's own definition.
type kind struct {
	name        string
	description string
	spec        reflect.Type
	columns     []column
	// movers are the fields of spec for other ways of replication. What is in
	// them is kept as it is.
	movers []string
	// defaults are values by path, filled in by the API server.
	defaults map[string]any
	// rules are keywords of the JSON schema by path that the API server judges
	// as well: those that VolSync's definition has too. All other rules are left
	// to this tool, so that every object that VolSync's definition or validate
	// accepts can be stored, and a stored one can always have its status written.
	rules map[string][]string
}

// column is a column of kubectl get.
type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	JSONPath string `json:"jsonPath"`
}

func (k kind) plural() string { return strings.ToLower(k.name) + "s" }

func (k kind) schemaFile() string { return strings.ToLower(k.name) + ".json" }

func kinds() []kind {
	movers := []string{"external", "rclone", "restic", "rsync", "rsyncTLS"}
	return []kind{
		{
			name:        spec.KindReplicationSource,
			description: "A ReplicationSource describes the backup of a PersistentVolumeClaim: what is backed up, when and how.",
			spec:        reflect.TypeFor[spec.ReplicationSourceSpec](),
			columns:     slices.Concat([]column{{Name: "Source", Type: "string", JSONPath: ".spec.sourcePVC"}}, syncColumns()),
			movers:      append(slices.Clone(movers), "syncthing"),
			rules: merge(moverRules(), map[string][]string{
				"spec.kopia.repositoryPVC":      {"minLength"},
				"spec.kopia.sourcePathOverride": {"pattern"},
			}),
		},
		{
			name:        spec.KindReplicationDestination,
			description: "A ReplicationDestination describes a restore: which snapshot is restored, when and where to.",
			spec:        reflect.TypeFor[spec.ReplicationDestinationSpec](),
			columns:     syncColumns(),
			movers:      movers,
			rules: merge(moverRules(), map[string][]string{
				"spec.kopia.restoreAsOf":                       {"format"},
				"spec.kopia.sourceIdentity.sourcePathOverride": {"pattern"},
			}),
		},
		{
			name:        spec.KindKopiaMaintenance,
			description: "A KopiaMaintenance describes the upkeep of a kopia repository.",
			spec:        reflect.TypeFor[spec.KopiaMaintenanceSpec](),
			columns: []column{
				{Name: "Repository", Type: "string", JSONPath: ".spec.repository.repository"},
				{Name: "Enabled", Type: "boolean", JSONPath: ".spec.enabled"},
				{Name: "Schedule", Type: "string", JSONPath: ".spec.schedule"},
				{Name: "Suspended", Type: "boolean", JSONPath: ".spec.suspend"},
				{Name: "Last Maintenance", Type: "string", Format: "date-time", JSONPath: ".status.lastMaintenanceTime"},
				{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
			},
			defaults: map[string]any{
				"spec.activeDeadlineSeconds":      10800,
				"spec.enabled":                    true,
				"spec.failedJobsHistoryLimit":     1,
				"spec.schedule":                   "0 2 * * *",
				"spec.successfulJobsHistoryLimit": 3,
			},
			rules: map[string][]string{
				"spec":                            {"required"},
				"spec.activeDeadlineSeconds":      {"minimum"},
				"spec.failedJobsHistoryLimit":     {"minimum"},
				"spec.moverVolumes[]":             {"required"},
				"spec.repository":                 {"required"},
				"spec.repository.repository":      {"minLength"},
				"spec.successfulJobsHistoryLimit": {"minimum"},
			},
		},
	}
}

func syncColumns() []column {
	return []column{
		{Name: "Last sync", Type: "string", Format: "date-time", JSONPath: ".status.lastSyncTime"},
		{Name: "Duration", Type: "string", JSONPath: ".status.lastSyncDuration"},
		{Name: "Next sync", Type: "string", Format: "date-time", JSONPath: ".status.nextSyncTime"},
	}
}

// moverRules are the rules that sources and destinations share.
func moverRules() map[string][]string {
	return map[string][]string{
		"spec.kopia.additionalArgs": {"maxItems"},
		"spec.kopia.copyMethod":     {"enum"},
		"spec.kopia.hostname":       {"pattern"},
		"spec.kopia.moverVolumes[]": {"required"},
		"spec.kopia.username":       {"pattern"},
	}
}

func merge(all ...map[string][]string) map[string][]string {
	merged := map[string][]string{}
	for _, m := range all {
		for path, keywords := range m {
			merged[path] = keywords
		}
	}
	return merged
}

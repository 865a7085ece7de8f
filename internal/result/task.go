package result

import (
	"encoding/json"
	"time"
)

// Operation is what a mover is asked to do.
type Operation string

// The operations.
const (
	OperationBackup  Operation = "backup"
	OperationRestore Operation = "restore"
	OperationList    Operation = "list"
	// OperationProbe looks at the repository for a plan and writes nothing there.
	OperationProbe Operation = "probe"
	// OperationMaintenance is the upkeep of a repository: kopia's full maintenance.
	OperationMaintenance Operation = "maintenance"
)

// Task is everything a mover needs to know, but for secrets. It is part of the
// plan, so a dry run shows it.
type Task struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Operation  Operation `json:"operation"`
	RunID      string    `json:"runID"`
	Object     ObjectRef `json:"object"`
	Identity   Identity  `json:"identity"`
	// Otherwise is what a task that reads looks under besides Identity; nil:
	// nothing. The snapshots of a sourcePath that starts with the mount path are
	// there when the volume had no such directory; see RecordedPath.
	Otherwise *Identity `json:"otherwise,omitempty"`
	// Kopia is the program: an absolute path, or a name looked up on PATH.
	Kopia string `json:"kopia"`
	// WorkDir is a private directory on memory: kopia's config and password
	// file live there (0600) and go with the run.
	WorkDir string `json:"workDir"`
	// CacheDir is the root of kopia's caches, kept between runs where the user
	// asked for it. Each repository gets a sub-directory of its own.
	CacheDir   string         `json:"cacheDir"`
	Repository RepositoryTask `json:"repository"`
	Policy     PolicyTask     `json:"policy"`
	Backup     *BackupTask    `json:"backup,omitempty"`
	Restore    *RestoreTask   `json:"restore,omitempty"`
	List       *ListTask      `json:"list,omitempty"`
	// Maintenance is nil for every other operation.
	Maintenance *MaintenanceTask `json:"maintenance,omitempty"`
	// Warnings are what the plan knows the run to leave out of what the manifest
	// asks for. The Result starts with them.
	Warnings []Warning `json:"warnings,omitempty"`
	// GracePeriod is what kopia's checkpoint and the after-action share after
	// SIGTERM; the after-action gets a few seconds more where nothing is left of
	// it. The plan leaves room beyond it for that and the writing of the Result.
	GracePeriod Duration `json:"gracePeriod"`
}

// RunTag is the name of the tag that every snapshot has; its value is the run's
// id, by which the snapshot can be found when the run's Result is lost.
const RunTag = "volsync-kopia-run"

// RepositoryTask says which repository, and what may be done to it.
type RepositoryTask struct {
	// SecretDir holds the repository Secret, one file a key.
	SecretDir string `json:"secretDir"`
	// SecretName is for messages only.
	SecretName string `json:"secretName,omitempty"`
	// Storage is what the manifest says about the place; see Storage.
	Storage Storage `json:"storage"`
	// CustomCAFile is a PEM file, or empty.
	CustomCAFile string `json:"customCAFile,omitempty"`
	// Create says when a missing repository is created.
	Create CreateMode `json:"create"`
	// SourceHasSynced is true when status, history, local state or the manifest's
	// own status show an earlier successful run of this source: then CreateAuto
	// creates nothing.
	SourceHasSynced bool `json:"sourceHasSynced,omitempty"`
	// Maintenance is what an earlier run of this source did to the maintenance
	// schedule: it is set once, not by every run. Nil: nothing is known.
	Maintenance *MaintenanceSet `json:"maintenance,omitempty"`
	// ContentCacheBytes and MetadataCacheBytes are hard limits; 0 means kopia's
	// default. kopia's index cache uses MetadataCacheBytes again.
	ContentCacheBytes  int64 `json:"contentCacheBytes,omitempty"`
	MetadataCacheBytes int64 `json:"metadataCacheBytes,omitempty"`
	// CacheCapacityBytes is the size of the volume below CacheDir; a warning is
	// given from 80 % use. 0 means not limited.
	CacheCapacityBytes int64 `json:"cacheCapacityBytes,omitempty"`
	// UploadBytesPerSecond and DownloadBytesPerSecond are limits that come from
	// additionalArgs; they win over repository.config. 0 means none.
	UploadBytesPerSecond   int64 `json:"uploadBytesPerSecond,omitempty"`
	DownloadBytesPerSecond int64 `json:"downloadBytesPerSecond,omitempty"`
}

// MaintenanceSet is a maintenance schedule that a run gave a repository.
type MaintenanceSet struct {
	// Repository is kopia's own id of it; see RepositoryInfo.UniqueID.
	Repository string `json:"repository"`
	// Schedule is as RepositoryInfo.Maintenance.
	Schedule string `json:"schedule"`
}

// CreateMode says when a mover may create a repository.
type CreateMode string

// The modes. CreateAuto creates only when the storage is reachable, holds no
// format blob, lists empty, and the source has never synced.
const (
	CreateAuto   CreateMode = "auto"
	CreateAlways CreateMode = "always"
	CreateNever  CreateMode = "never"
)

// PolicyTask holds what the mover needs to work out the policies: the same
// inputs that validate and plan have, so that all three get the same answer.
type PolicyTask struct {
	// Dir holds the policy ConfigMap or Secret, one file a key; empty: none.
	Dir string `json:"dir,omitempty"`
	// FromSecret is true when Dir holds a Secret: its content appears nowhere.
	FromSecret bool `json:"fromSecret,omitempty"`
	// GlobalFile and RepositoryConfigFile are names below Dir.
	GlobalFile           string `json:"globalFile,omitempty"`
	RepositoryConfigFile string `json:"repositoryConfigFile,omitempty"`
	// Required are those of the two that the manifest itself names: one that is
	// missing cannot be used, see OnError. One with its default name may be
	// missing.
	Required []string `json:"required,omitempty"`
	// SHA256 has the hex digest of each file the plan was made from; a file
	// that differs is refused. Empty for a Secret, which the CLI never reads.
	SHA256 map[string]string `json:"sha256,omitempty"`
	// Structured is policyConfig.repositoryConfig, verbatim. Text that the plan
	// does not use does not travel: it may hold what nobody has looked at.
	Structured json.RawMessage `json:"structured,omitempty"`
	// StructuredErrors say why policyConfig.repositoryConfig is left out, with
	// PolicyErrorsWarn: the run warns of each.
	StructuredErrors []string `json:"structuredErrors,omitempty"`
	// Inline are the layers from the manifest's own fields and arguments, in
	// order of precedence, lowest first.
	Inline []PolicyLayer `json:"inline,omitempty"`
	// OnError says what a policy file that cannot be used does.
	OnError PolicyErrorMode `json:"onError"`
	// AllowActions lets kopia run the actions that this manifest's global
	// policy file holds.
	AllowActions bool `json:"allowActions,omitempty"`
}

// PolicyLayer is a part of a policy with the name of what it came from.
type PolicyLayer struct {
	// From is shown to people, as "spec.kopia.retain".
	From string `json:"from"`
	// Policy is kopia's own policy JSON.
	Policy json.RawMessage `json:"policy"`
}

// PolicyErrorMode says what an unusable policy file does.
type PolicyErrorMode string

// The modes: PolicyErrorsFail ends the run before anything is written,
// PolicyErrorsWarn continues with the repository's own settings.
const (
	PolicyErrorsFail PolicyErrorMode = "fail"
	PolicyErrorsWarn PolicyErrorMode = "warn"
)

// BackupTask is the part of a Task that only a backup has.
type BackupTask struct {
	// Root is the directory where the volume is mounted (/data in a pod).
	Root string `json:"root"`
	// SourcePath is spec.kopia.sourcePath as written; empty: the whole volume.
	SourcePath string `json:"sourcePath,omitempty"`
	// PathOverridden is true when Identity.Path came from sourcePathOverride;
	// otherwise the mover may shorten it with SourcePath (a leading /data).
	PathOverridden bool `json:"pathOverridden,omitempty"`
	// Args are passed to kopia snapshot create, one argument each.
	Args []string `json:"args,omitempty"`
	// Tags are recorded on the snapshot, the run id among them.
	Tags    map[string]string `json:"tags,omitempty"`
	Actions *Actions          `json:"actions,omitempty"`
	// ActionsOff is true when the manifest has actions and its own configuration
	// turns them off: Actions is nil then, and the log says why.
	ActionsOff bool    `json:"actionsOff,omitempty"`
	OnEmpty    OnEmpty `json:"onEmpty"`
	// LastHadFiles tells whether the source's last proved snapshot held files: an
	// empty source then fails instead of being skipped. nil: no history knows, and
	// the mover asks the repository before it skips.
	LastHadFiles *bool `json:"lastHadFiles,omitempty"`
	Prove        Proof `json:"prove"`
	// Strict makes ignored file errors count as an incomplete snapshot.
	Strict bool `json:"strict,omitempty"`
}

// Actions are the commands around a snapshot, run by the mover.
type Actions struct {
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Timeout bounds each of them; repository.config may change it. 0 means
	// DefaultActionTimeout.
	Timeout Duration `json:"timeout"`
}

// DefaultActionTimeout is the documentation page's own limit for an action.
const DefaultActionTimeout = Duration(5 * time.Minute)

// OnEmpty says what an empty source does.
type OnEmpty string

// The choices. OnEmptySkip fails all the same when the last snapshot held files.
const (
	OnEmptySkip     OnEmpty = "skip"
	OnEmptyFail     OnEmpty = "fail"
	OnEmptySnapshot OnEmpty = "snapshot"
)

// Proof says how much of a snapshot is read back before it counts.
type Proof string

// The proofs: the manifest re-read from the repository; besides, every content
// backed by an existing blob; besides, every file's content read and checked.
const (
	ProveManifest Proof = "manifest"
	ProveBlobs    Proof = "blobs"
	ProveContent  Proof = "content"
)

// RestoreTask is the part of a Task that only a restore has.
type RestoreTask struct {
	// TargetDir is an existing directory.
	TargetDir string `json:"targetDir"`
	// SnapshotID chooses a snapshot; empty: the newest complete one.
	SnapshotID string `json:"snapshotID,omitempty"`
	// AsOf chooses the newest that started at or before it.
	AsOf *time.Time `json:"asOf,omitempty"`
	// Previous skips that many of the newest.
	Previous int `json:"previous,omitempty"`
	// Args are passed to kopia snapshot restore.
	Args []string `json:"args,omitempty"`
	// SkipOwners leaves ownership to the restoring user.
	SkipOwners bool `json:"skipOwners,omitempty"`
}

// ListTask is the part of a Task that only a listing has. Incomplete snapshots
// are in every list.
type ListTask struct {
	// All lists every identity of the repository.
	All bool `json:"all,omitempty"`
}

// MaintenanceTask is the part of a Task that only maintenance has. The Task's
// Identity is whom kopia must know as the owner of the maintenance; it has no path.
type MaintenanceTask struct {
	// TakeOwnership makes the identity the owner where the repository has another;
	// without it such a repository is refused.
	TakeOwnership bool `json:"takeOwnership,omitempty"`
}

// Duration is a time.Duration that travels as text, as "5m0s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

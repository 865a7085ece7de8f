package result

import (
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// Outcome is how a run ended.
//
// SucceededWithWarnings is a success of a run that met something somebody
// should look at, and has it in the Result's warnings: in the data (errors that
// a policy ignores, a snapshot restored that lacks files, a sourcePath read
// without the mount path), in what was asked for and could not be done (a failed
// after-action, actions that a local run leaves out, a policy file left out by
// --policy-errors=warn, a maintenance schedule not set), or in what it ran on (a
// cache nearly full). So is that of a source without changes, which is Unchanged
// only when nothing was met. A source that was skipped stays Skipped, for nothing
// was proved. What can be read off the manifest, its policy files or its Secret
// without a run is a finding: validate, the plan and the log show it, and it
// changes no outcome.
type Outcome string

// The outcomes. A run whose Result is missing is Unknown, never a success.
const (
	Succeeded             Outcome = "Succeeded"
	SucceededWithWarnings Outcome = "SucceededWithWarnings"
	Unchanged             Outcome = "Unchanged"
	Skipped               Outcome = "Skipped"
	Incomplete            Outcome = "Incomplete"
	Failed                Outcome = "Failed"
	Refused               Outcome = "Refused"
	TimedOut              Outcome = "TimedOut"
	Cancelled             Outcome = "Cancelled"
	Unknown               Outcome = "Unknown"
)

// Result is what a mover reports at its end, in two places: whole as the last
// event of its log, and cut to what Kubernetes keeps as its termination message
// (see MarshalBounded).
type Result struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Operation  Operation `json:"operation"`
	RunID      string    `json:"runID"`
	Object     ObjectRef `json:"object"`
	Outcome    Outcome   `json:"outcome"`
	// ExitCode is the code that the command ends with, see exit-codes.md.
	ExitCode int `json:"exitCode"`
	// Reason is a stable CamelCase word, as WrongPassword; Message is for people.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`

	Identity   Identity        `json:"identity"`
	Snapshot   *Snapshot       `json:"snapshot,omitempty"`
	Repository *RepositoryInfo `json:"repository,omitempty"`
	Policy     *PolicyReport   `json:"policy,omitempty"`
	Actions    []ActionReport  `json:"actions,omitempty"`
	Restore    *RestoreReport  `json:"restore,omitempty"`
	// Maintenance is what a maintenance did; nil for every other operation.
	Maintenance *MaintenanceReport `json:"maintenance,omitempty"`
	// Snapshots answers a list; newest last. It is not bounded: it travels only
	// in the event stream, never in a termination message.
	Snapshots []Snapshot `json:"snapshots,omitempty"`
	// Problems are the errors and warnings of manifests that are invalid; with
	// them nothing was run. They are never in a termination message.
	Problems problem.List `json:"problems,omitempty"`
	// Warnings are what the run met; findings of validate are not among them.
	Warnings []Warning `json:"warnings,omitempty"`
	// OmittedWarnings counts warnings cut to keep the Result in its bounds.
	OmittedWarnings int `json:"omittedWarnings,omitempty"`

	StartTime time.Time `json:"startTime"`
	EndTime   time.Time `json:"endTime"`
	Phases    []Phase   `json:"phases,omitempty"`
	// KopiaVersion is the version of the kopia that ran; KopiaProcesses how
	// many times it was started.
	KopiaVersion   string    `json:"kopiaVersion,omitempty"`
	KopiaProcesses int       `json:"kopiaProcesses"`
	Cache          *CacheUse `json:"cache,omitempty"`
}

// Snapshot is one snapshot manifest, as the repository holds it.
type Snapshot struct {
	ID        string    `json:"id"`
	Identity  Identity  `json:"identity"`
	StartTime time.Time `json:"startTime"`
	EndTime   time.Time `json:"endTime"`
	// RootObject is kopia's object id of the root directory.
	RootObject string `json:"rootObject,omitempty"`
	Files      int64  `json:"files"`
	Dirs       int64  `json:"dirs"`
	// Size is the total size of all files in bytes.
	Size int64 `json:"size"`
	// Failed and Ignored count entries that could not be read: fatal ones, and
	// ones whose errors a policy ignores.
	Failed  int64 `json:"failed,omitempty"`
	Ignored int64 `json:"ignored,omitempty"`
	// Errors are the first 10 of them, in order of path.
	Errors []FileError `json:"errors,omitempty"`
	// OmittedErrors counts the others, and those cut to keep a Result in its
	// bounds.
	OmittedErrors int `json:"omittedErrors,omitempty"`
	// Incomplete is kopia's reason ("canceled", "checkpoint"), empty if whole.
	Incomplete string `json:"incomplete,omitempty"`
	// Proved is how the snapshot was proved; empty: it was not.
	Proved Proof `json:"proved,omitempty"`
	// UploadedBytes is what kopia last reported to have uploaded; 0 if unknown.
	UploadedBytes int64             `json:"uploadedBytes,omitempty"`
	Retention     []string          `json:"retention,omitempty"`
	Pins          []string          `json:"pins,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
}

// SourceFiles is how many files the source held, what could not be read among them.
func (s *Snapshot) SourceFiles() int64 { return s.Files + s.Missed() }

// Missed is how many files could not be read, whether or not a policy ignored that.
func (s *Snapshot) Missed() int64 { return s.Failed + s.Ignored }

// Whole reports whether the snapshot is proved and was not cut short.
func (s *Snapshot) Whole() bool { return s != nil && s.Proved != "" && s.Incomplete == "" }

// FileError is one entry that could not be read.
type FileError struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// RepositoryInfo is what the run learnt of the repository.
type RepositoryInfo struct {
	// Type is kopia's name of the backend.
	Type string `json:"type"`
	// UniqueID is kopia's own id of the repository (hex).
	UniqueID string `json:"uniqueID,omitempty"`
	// Created is true when this run created the repository.
	Created bool `json:"created,omitempty"`
	// Maintenance is the schedule that this run, or an earlier one of the source,
	// gave the repository, as the flags of kopia maintenance set; empty: none did.
	Maintenance string `json:"maintenance,omitempty"`
	// Absent is set by a probe that found no repository.
	Absent *Absence `json:"absent,omitempty"`
}

// Absence is what a probe found where a repository should be, and what a run
// would do about it.
type Absence struct {
	// Found is what was seen in its place.
	Found string `json:"found"`
	// Barred says why a run would not create the repository; empty: it would.
	Barred string `json:"barred,omitempty"`
}

// PolicyReport is what the run did to the repository's policies, or what a run
// would do, by a probe.
type PolicyReport struct {
	Changes []PolicyChange `json:"changes,omitempty"`
	// Unchanged are the values that a probe found to be as the manifest wants
	// them; a run does not list them.
	Unchanged []PolicyChange `json:"unchanged,omitempty"`
	// NotManaged are the paths of the global policy that a probe found set and the
	// manifest does not name: a run leaves them as they are.
	NotManaged []string `json:"notManaged,omitempty"`
	// Applied and Failed count policy sources, as the log's summary line does.
	Applied int `json:"applied,omitempty"`
	Failed  int `json:"failed,omitempty"`
	// OmittedChanges counts entries of both lists cut to keep the Result in its
	// bounds.
	OmittedChanges int `json:"omittedChanges,omitempty"`
}

// PolicyChange is one value of a policy before and after the run, as JSON text;
// empty means not set. The word set, which is no JSON, stands for a value that
// comes from a Secret or, as a repository does not say where its values came
// from, may have.
type PolicyChange struct {
	Target string `json:"target"`
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	From   string `json:"from,omitempty"`
}

// Withheld stands in a PolicyChange for a value that is not shown.
const Withheld = "set"

// ActionReport is one action that ran.
type ActionReport struct {
	Name     string   `json:"name"` // beforeSnapshot or afterSnapshot
	ExitCode int      `json:"exitCode"`
	TimedOut bool     `json:"timedOut,omitempty"`
	Took     Duration `json:"took"`
}

// RestoreReport is what a restore did.
type RestoreReport struct {
	TargetDir string `json:"targetDir"`
	Files     int64  `json:"files"`
	Dirs      int64  `json:"dirs"`
	Symlinks  int64  `json:"symlinks"`
	Size      int64  `json:"size"`
}

// MaintenanceReport is what a maintenance did, as a fresh process read it back from
// the repository's own record.
type MaintenanceReport struct {
	// Owner is the user@host that owns the repository's maintenance now.
	Owner string `json:"owner"`
	// PreviousOwner is who owned it before this run took it over; empty: this run
	// took nothing over.
	PreviousOwner string `json:"previousOwner,omitempty"`
	// Cycles are the parts of a maintenance that came on record during this run, by
	// kopia's names, as snapshot-gc, in order of their start. The record does not name
	// the client: those of a run that failed may be another's.
	Cycles []MaintenanceCycle `json:"cycles,omitempty"`
	// OmittedCycles counts those cut to keep the Result in its bounds.
	OmittedCycles int `json:"omittedCycles,omitempty"`
	// NextFull is when kopia takes the next full maintenance for due.
	NextFull *time.Time `json:"nextFull,omitempty"`
}

// Count is how many cycles came on record, with those that were cut.
func (m *MaintenanceReport) Count() int { return len(m.Cycles) + m.OmittedCycles }

// MaintenanceCycle is one part of a maintenance.
type MaintenanceCycle struct {
	Name string   `json:"name"`
	Took Duration `json:"took"`
	// Error is why it failed; empty: it did not.
	Error string `json:"error,omitempty"`
}

// Warning is something that the run met and that did not stop it.
type Warning struct {
	// Code is a finding's code (VK...) or empty.
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// Phase is a part of the run and how long it took.
type Phase struct {
	Name string   `json:"name"`
	Took Duration `json:"took"`
}

// CacheUse is how full the cache was at the end, in bytes.
type CacheUse struct {
	UsedBytes     int64 `json:"usedBytes"`
	CapacityBytes int64 `json:"capacityBytes,omitempty"`
}

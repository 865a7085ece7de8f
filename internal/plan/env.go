package plan

import (
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Env is what a plan takes from its surroundings, so that equal inputs give
// equal bytes.
type Env struct {
	Now time.Time `json:"now"`
	// RunID is unique, as 20261122-2105-x7k2q; names end with its last part.
	RunID string `json:"runID"`
	// Version is this tool's release.
	Version string `json:"version,omitempty"`
	// Holder says who runs the run, as user@host, for whoever finds its Lease.
	Holder string `json:"holder,omitempty"`
	// Image is the mover image; a development build has none.
	Image string `json:"image,omitempty"`
	// KopiaVersion is the version of kopia in the mover, which decides the flag
	// tables and names; empty: the default version.
	KopiaVersion string `json:"kopiaVersion,omitempty"`
	// Local is set when the mover runs on this machine.
	Local *LocalEnv `json:"local,omitempty"`
}

// LocalEnv is where a local run finds its things; all paths are absolute.
type LocalEnv struct {
	// SourceDir stands in for the volume.
	SourceDir string `json:"sourceDir"`
	// RepositoryDir stands in for any repository; empty: the Secret says where.
	RepositoryDir string `json:"repositoryDir,omitempty"`
	// StateDir keeps the cache and the local status between runs.
	StateDir string `json:"stateDir"`
	// WorkDir is the run's private directory, removed at its end.
	WorkDir string `json:"workDir"`
	// KopiaPath is the program.
	KopiaPath string `json:"kopiaPath"`
}

// Timeouts are the budgets of the waits; zero means no limit.
type Timeouts struct {
	SnapshotReady result.Duration `json:"snapshotReady"`
	Bound         result.Duration `json:"bound"`
	Scheduled     result.Duration `json:"scheduled"`
	Started       result.Duration `json:"started"`
	Running       result.Duration `json:"running"`
	// Idle ends a run whose mover has reported nothing for so long.
	Idle result.Duration `json:"idle"`
	// CopyTrigger is how long a claim may wait for its copy trigger.
	CopyTrigger result.Duration `json:"copyTrigger"`
	// Action bounds each of the manifest's actions.
	Action result.Duration `json:"action"`
	// CancelGrace is the time that a mover has after SIGTERM.
	CancelGrace result.Duration `json:"cancelGrace"`
	// Removed is how long each thing that a run removes may take to be gone.
	Removed result.Duration `json:"removed"`
}

// DefaultRemovedTimeout is the budget of a removal that nobody has set. It outlasts
// the five minutes after which external-provisioner 6.3 looks for finalizers that it
// has failed to remove from a VolumeSnapshot, for a conflict with the snapshot
// controller (snapshot-orphan-sweep-interval).
const DefaultRemovedTimeout = 6 * time.Minute

// Options are the user's choices for one run.
type Options struct {
	// Force runs although the manual trigger was served or the object is paused.
	Force bool `json:"force,omitempty"`
	// TakeOwnership lets a maintenance take the repository's maintenance over.
	TakeOwnership bool `json:"takeOwnership,omitempty"`
	// Strict makes ignored file errors count as an incomplete snapshot.
	Strict bool `json:"strict,omitempty"`
	// Detach ends the plan when the mover has been started.
	Detach bool `json:"detach,omitempty"`
	// Scheduled is true in a CronJob: a paused object is skipped, not refused, and a
	// manual trigger says nothing.
	Scheduled bool `json:"scheduled,omitempty"`
	// TimeZone is what the object's schedule counts in; empty: UTC.
	TimeZone string `json:"timeZone,omitempty"`
	// ActionsOnLiveVolume allows actions with copyMethod Direct.
	ActionsOnLiveVolume bool `json:"actionsOnLiveVolume,omitempty"`
	// AllowPolicyActions lets kopia run actions of the manifest's policy file.
	AllowPolicyActions bool `json:"allowPolicyActions,omitempty"`
	// RunActions lets a local run execute the manifest's actions here.
	RunActions bool `json:"runActions,omitempty"`
	// UseCluster accepts a cluster's policy ConfigMap that differs from the
	// input's.
	UseCluster bool `json:"useCluster,omitempty"`

	// Exec are the application's hooks of the command line; unused: those of the
	// source's annotations. Its Timeout counts for either.
	Exec spec.Hooks `json:"exec,omitzero"`

	Prove            result.Proof           `json:"prove"`
	OnEmpty          result.OnEmpty         `json:"onEmpty"`
	CreateRepository result.CreateMode      `json:"createRepository"`
	PolicyErrors     result.PolicyErrorMode `json:"policyErrors"`
	// KeepJob is how long the Job stays after its Result was collected; zero
	// removes it at once.
	KeepJob  result.Duration `json:"keepJob"`
	Timeouts Timeouts        `json:"timeouts"`
}

// DefaultOptions returns the documented defaults.
func DefaultOptions() Options {
	return Options{
		Prove:            result.ProveBlobs,
		OnEmpty:          result.OnEmptySkip,
		CreateRepository: result.CreateAuto,
		PolicyErrors:     result.PolicyErrorsFail,
		KeepJob:          result.Duration(time.Hour),
		Timeouts: Timeouts{
			SnapshotReady: result.Duration(10 * time.Minute),
			Bound:         result.Duration(5 * time.Minute),
			Scheduled:     result.Duration(5 * time.Minute),
			Started:       result.Duration(5 * time.Minute),
			Idle:          result.Duration(10 * time.Minute),
			CopyTrigger:   result.Duration(10 * time.Minute),
			Action:        result.Duration(5 * time.Minute),
			CancelGrace:   result.Duration(3 * time.Minute),
			Removed:       result.Duration(DefaultRemovedTimeout),
		},
	}
}

// Input is everything that a plan is made from.
type Input struct {
	// Set is the whole input: its ConfigMaps and Secrets serve local runs and
	// comparison. May be nil when the object was read from the cluster.
	Set *spec.Set
	// Document is the object to plan for.
	Document *spec.Document
	Facts    Facts
	Env      Env
	Options  Options
	// Findings are what validation has said about the input already; the plan
	// repeats none of them.
	Findings problem.List
}

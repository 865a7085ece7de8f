package plan

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// StepKind says what a step does; the set is closed.
type StepKind string

// The kinds of steps. Cluster runs use all but the local ones.
const (
	// StepLease takes the source's Lease.
	StepLease StepKind = "lease"
	// StepCreate creates Object, and with IfMissing accepts one that exists.
	StepCreate StepKind = "create"
	// StepAdopt makes the Job an owner of the object of an earlier step.
	StepAdopt StepKind = "adopt"
	// StepTrigger waits for the claim's copy trigger, or reports that it was
	// served, as Trigger.State says.
	StepTrigger StepKind = "trigger"
	// StepExec runs a hook in the application, and records on the Job of its
	// target how far the hooks are.
	StepExec StepKind = "exec"
	// StepAwait waits for the object of an earlier step.
	StepAwait StepKind = "await"
	// StepUnsuspend lets the Job start, and notes that it may in Object, the history, and
	// in the status; one without Status notes nothing.
	StepUnsuspend StepKind = "unsuspend"
	// StepFollow reads the mover's log to its end and collects the Result.
	StepFollow StepKind = "follow"
	// StepAsk, only after a mover that left no Result, makes Object and asks the
	// repository by it for a snapshot with the run's tag.
	StepAsk StepKind = "ask"
	// StepStatus writes the status, the history, which is Object, and an Event.
	StepStatus StepKind = "status"
	// StepReclaim changes the policy of what a Retain class would leave behind.
	StepReclaim StepKind = "reclaim"
	// StepDelete deletes what earlier steps made and sees it gone.
	StepDelete StepKind = "delete"
	// StepKeep sets how long the Job stays.
	StepKeep StepKind = "keep"
	// StepRelease gives the Lease back by deleting it.
	StepRelease StepKind = "release"

	// StepDetach leaves the Lease to the Job, whose mover nobody follows.
	StepDetach StepKind = "detach"

	// StepPrepare makes the private directory of a local run.
	StepPrepare StepKind = "prepare"
	// StepRun runs the mover on this machine and collects its Result.
	StepRun StepKind = "run"
	// StepRemove removes the private directory.
	StepRemove StepKind = "remove"
)

// Step is one thing to do. Steps are done in order, each once.
type Step struct {
	// ID counts from 1; references name it.
	ID   int      `json:"id"`
	Kind StepKind `json:"kind"`
	// Title names the object, as "VolumeSnapshot vk-src-app-0123456789-x7k2q".
	Title string `json:"title"`
	// Note says what a reader should know besides, or empty.
	Note string `json:"note,omitempty"`
	// Object is the manifest to create or take; its holes are references.
	Object Template `json:"object,omitempty"`
	// IfMissing accepts an object that exists already.
	IfMissing bool `json:"ifMissing,omitempty"`
	// Targets are the steps whose objects this step works on, in order.
	Targets []int    `json:"targets,omitempty"`
	Trigger *Trigger `json:"trigger,omitempty"`
	Status  *Status  `json:"status,omitempty"`
	Reclaim *Reclaim `json:"reclaim,omitempty"`
	Prepare *Prepare `json:"prepare,omitempty"`
	Exec    *Exec    `json:"exec,omitempty"`
	// Owner is the owner that StepAdopt adds.
	Owner Template `json:"owner,omitempty"`
	// KeepSeconds is how long the Job stays; 0 removes it.
	KeepSeconds *int32 `json:"keepSeconds,omitempty"`
	Waits       []Wait `json:"waits,omitempty"`
}

// Condition is what a wait waits for.
type Condition string

// The conditions.
const (
	UntilReady Condition = "ready"
	// UntilTaken is when a snapshot holds its moment, and may not be ready.
	UntilTaken     Condition = "taken"
	UntilBound     Condition = "bound"
	UntilScheduled Condition = "scheduled"
	UntilStarted   Condition = "started"
	UntilEnded     Condition = "ended"
	UntilTriggered Condition = "triggered"
	// UntilRemoved is when an object that was deleted no longer exists.
	UntilRemoved Condition = "removed"
	// WhileReporting ends a wait when the mover has been silent for too long.
	WhileReporting Condition = "idle"
)

// Wait is one budget of a step; each has a flag.
type Wait struct {
	For Condition `json:"for"`
	// Timeout is the budget; 0: no limit.
	Timeout result.Duration `json:"timeout"`
}

// Trigger is the copy-trigger protocol of a claim: annotations by which the
// application says that its data is ready to be copied.
type Trigger struct {
	Claim string `json:"claim"`
	// State is InProgress before the copy (after waiting for a new value) and
	// Completed after it.
	State string `json:"state"`
}

// The states of a copy trigger.
const (
	TriggerInProgress = "InProgress"
	TriggerCompleted  = "Completed"
)

// Status says where a run's start and its outcome are written.
type Status struct {
	// Object gets its status subresource patched; nil: it is not in the
	// cluster, or its spec is not the file's.
	Object *result.ObjectRef `json:"object,omitempty"`
	// File is the local state file of a local run.
	File string `json:"file,omitempty"`
}

// Reclaim makes one thing that a Retain class keeps go with the copy.
type Reclaim struct {
	Kind string `json:"kind"`
	Name Ref    `json:"name"`
	// Field is set to Delete.
	Field string `json:"field"`
}

// Prepare is the private directory of a local run.
type Prepare struct {
	WorkDir string `json:"workDir"`
	// Directories are made with mode 0700.
	Directories []string `json:"directories"`
	// Files are written with mode 0600 from objects of the input, one a key.
	Files []PreparedDir `json:"files,omitempty"`
}

// PreparedDir is an object of the input as a directory of files. The plan
// names the object and never holds its content.
type PreparedDir struct {
	Dir  string `json:"dir"`
	Kind string `json:"kind"` // Secret or ConfigMap
	Name string `json:"name"`
	// Key and File write one key under another name; empty: every key.
	Key  string `json:"key,omitempty"`
	File string `json:"file,omitempty"`
}

// CleanupAction is what is done to an object of a run that ends early.
type CleanupAction string

// The actions of a clean-up.
const (
	CleanupDelete CleanupAction = "delete"
	// CleanupDeleteUnstarted deletes a Job that never started; one that did
	// stays for its log.
	CleanupDeleteUnstarted CleanupAction = "deleteUnstarted"
	// CleanupExec runs Exec, the after hook, if it is due.
	CleanupExec    CleanupAction = "exec"
	CleanupRelease CleanupAction = "release"
	CleanupRemove  CleanupAction = "remove"
)

// Cleanup undoes one step, if it was done.
type Cleanup struct {
	Step   int           `json:"step"`
	Action CleanupAction `json:"action"`
	Title  string        `json:"title"`
	Exec   *Exec         `json:"exec,omitempty"`
}

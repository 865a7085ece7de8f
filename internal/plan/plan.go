package plan

import (
	"slices"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// KindPlan is the kind of a Plan document.
const KindPlan = "Plan"

// Plan is what a run will do. It is versioned JSON; a run executes exactly
// this value. A plan that is refused or skipped has no steps.
type Plan struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Operation  result.Operation `json:"operation"`
	RunID      string           `json:"runID"`
	// Time is when the plan was made (UTC).
	Time     time.Time        `json:"time"`
	Version  string           `json:"version,omitempty"`
	Object   result.ObjectRef `json:"object"`
	Identity result.Identity  `json:"identity"`
	// Otherwise is the identity when the volume turns out to have no directory
	// of the name that sourcePath gives with the mount path in front.
	Otherwise *result.Identity `json:"otherwise,omitempty"`
	// OwnerUnread is true for a maintenance whose Secret is not in the input: it may name
	// another owner than Identity.
	OwnerUnread bool `json:"ownerUnread,omitempty"`
	// Local is set when the mover runs on this machine.
	Local *LocalEnv `json:"local,omitempty"`
	// Skip says why there is nothing to do; nil: there is.
	Skip       *Skip      `json:"skip,omitempty"`
	Copy       *Copy      `json:"copy,omitempty"`
	Cache      Cache      `json:"cache"`
	Mover      Mover      `json:"mover"`
	Repository Repository `json:"repository"`
	// Policy is the desired policy by target, the source first.
	Policy []TargetPolicy `json:"policy,omitempty"`
	// Settings are what the run uses beside policies.
	Settings  Settings   `json:"settings"`
	Arguments []Argument `json:"arguments,omitempty"`
	// Actions are the manifest's own commands around the snapshot; nil: none.
	Actions *Actions `json:"actions,omitempty"`
	Steps   []Step   `json:"steps,omitempty"`
	// Cleanup is what a run that ends early undoes, in this order.
	Cleanup []Cleanup `json:"cleanup,omitempty"`
	// CleanupTimeout bounds each thing that is done after the mover's end, or after
	// the run's early end; zero: no limit.
	CleanupTimeout result.Duration `json:"cleanupTimeout,omitempty"`
	// Commands are the argument vectors that the mover of a backup or of a
	// maintenance runs; upper-case words stand for what only the run knows.
	Commands []Command `json:"commands,omitempty"`
	// Needs are the rights that the steps use.
	Needs []Rule `json:"needs,omitempty"`
	// Unknown names the facts that the plan had to do without.
	Unknown  []Unknown    `json:"unknown,omitempty"`
	Findings problem.List `json:"findings,omitempty"`
	// Task is what the mover is told; absent when there are no steps.
	Task *result.Task `json:"task,omitempty"`
}

// Detached reports whether the plan ends when the mover has started, which
// nobody then follows.
func (p *Plan) Detached() bool {
	return len(p.Steps) > 0 && !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Kind == StepFollow || s.Kind == StepRun })
}

// Skip is a harmless reason not to run.
type Skip struct {
	// Reason is a stable word: ManualTriggerServed or Paused.
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// The reasons to skip.
const (
	SkipManualTriggerServed = "ManualTriggerServed"
	SkipPaused              = "Paused"
)

// Copy is how the data is read at one point in time.
type Copy struct {
	Claim  string          `json:"claim"`
	Method spec.CopyMethod `json:"method"`
	// Reason says why this method, when the manifest leaves it open.
	Reason        string `json:"reason,omitempty"`
	SnapshotClass string `json:"snapshotClass,omitempty"`
	StorageClass  string `json:"storageClass,omitempty"`
	// BindingMode is the class's; empty: unknown.
	BindingMode string `json:"bindingMode,omitempty"`
	Driver      string `json:"driver,omitempty"`
	// Size is the least size of the copy; it grows to the snapshot's
	// restoreSize.
	Size        string   `json:"size,omitempty"`
	AccessModes []string `json:"accessModes,omitempty"`
	// ReadOnly is true when the mover cannot write to the volume.
	ReadOnly bool `json:"readOnly"`
}

// Cache is where kopia's cache lives and how large its parts may grow.
type Cache struct {
	// Claim is the kept claim; empty: an emptyDir, or a directory locally.
	Claim        string `json:"claim,omitempty"`
	StorageClass string `json:"storageClass,omitempty"`
	// Existing is true for a claim that the manifest names: it is not made.
	Existing  bool   `json:"existing,omitempty"`
	Directory string `json:"directory"`
	// Capacity is the usable size, SizeLimit that of the emptyDir with the
	// margin that kopia's unlimited index cache needs.
	Capacity      string `json:"capacity,omitempty"`
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	SizeLimit     string `json:"sizeLimit,omitempty"`
	// ContentBytes and MetadataBytes are kopia's hard limits; 0: its default.
	ContentBytes  int64 `json:"contentBytes"`
	MetadataBytes int64 `json:"metadataBytes"`
}

// Mover is the process that does the work.
type Mover struct {
	Image string `json:"image,omitempty"`
	Kopia string `json:"kopia"`
	// User is the uid, when the manifest or a privileged namespace sets it.
	User       *int64 `json:"user,omitempty"`
	Privileged bool   `json:"privileged,omitempty"`
	// PodSecurity is the strictest level that admits the pod.
	PodSecurity    string `json:"podSecurity,omitempty"`
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Node is where the mover must run, with the reason; empty: anywhere.
	Node       string `json:"node,omitempty"`
	NodeReason string `json:"nodeReason,omitempty"`
}

// Repository is where snapshots go, as far as the manifest says.
type Repository struct {
	Secret string `json:"secret"`
	// Backend is kopia's name of it; empty: only the Secret knows.
	Backend string `json:"backend,omitempty"`
	// Location is the directory or claim, for a backend that has one.
	Location string            `json:"location,omitempty"`
	Create   result.CreateMode `json:"create"`
	// Exists tells whether there is a repository; nil: unknown, because nobody
	// asked (--connect).
	Exists *bool `json:"exists"`
	// UniqueID is kopia's own id of one that exists.
	UniqueID string `json:"uniqueID,omitempty"`
	// Absent is what stands in its place, and what a run would do about it.
	Absent *result.Absence `json:"absent,omitempty"`
}

// TargetPolicy is the desired policy of one target.
type TargetPolicy struct {
	// Target is kopia's name: "(global)" or user@host:/path.
	Target string        `json:"target"`
	Values []PolicyValue `json:"values,omitempty"`
	// Note says what is not known of the target, or empty.
	Note string `json:"note,omitempty"`
}

// PolicyValue is one value of a desired policy.
type PolicyValue struct {
	Path string `json:"path"`
	// Now is the value in the repository as JSON text; nil: unknown, because
	// the repository was not asked (--connect). Empty means not set, and the word
	// set stands for a value that is not shown, as in a Result's PolicyChange.
	Now *string `json:"now"`
	// After is the value as JSON text; empty for a sensitive one, and for one
	// that is no longer set. The word set stands for one that is not shown.
	After string `json:"after,omitempty"`
	// Unchanged is true when the repository has the value already.
	Unchanged bool `json:"unchanged,omitempty"`
	// Sensitive is true for a value that comes from a Secret.
	Sensitive bool `json:"sensitive,omitempty"`
	// From is the layer that decided.
	From string `json:"from"`
}

// Argument is one of additionalArgs and what becomes of it.
type Argument struct {
	Index int    `json:"index"`
	Raw   string `json:"raw"`
	Class string `json:"class"`
	// Applied says what a translated argument means.
	Applied string `json:"applied,omitempty"`
}

// Command is one command of kopia that the mover runs, or the place of an action
// among them.
type Command struct {
	// Purpose is a few words; When is the condition, empty: always.
	Purpose string `json:"purpose"`
	When    string `json:"when,omitempty"`
	// Action is beforeSnapshot or afterSnapshot where that action runs instead
	// of kopia; there are no Args then.
	Action string   `json:"action,omitempty"`
	Args   []string `json:"args,omitempty"`
}

// Rule is a right that a run needs.
type Rule struct {
	Group    string   `json:"group"`
	Resource string   `json:"resource"`
	Verbs    []string `json:"verbs"`
	// Optional rights only make the plan better informed.
	Optional bool `json:"optional,omitempty"`
	// ClusterScoped rights need a ClusterRole.
	ClusterScoped bool `json:"clusterScoped,omitempty"`
}

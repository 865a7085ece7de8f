package mover

import (
	"cmp"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Options are what a mover gets from the process that it runs in.
type Options struct {
	// Stdout takes the log: text for people, and the event lines.
	Stdout io.Writer
	// TerminationLog is a file that takes the bounded Result; empty: none.
	TerminationLog string
	// Clock tells the time.
	Clock func() time.Time
	// Path is the PATH of the actions; empty: kopiaexec.DefaultPath.
	Path string
	// KopiaVersion is kopia's version where the caller knows it; empty: it is
	// found out.
	KopiaVersion string
	// HoldMaintenance makes this process the only one of its machine that maintains the
	// repository of the unique id, until release is called, or refuses; nil: whoever runs
	// the mover sees to it.
	HoldMaintenance func(uniqueID string) (release func(), err error)
	// Heartbeat is how long the log may be silent; 0: 20 seconds.
	Heartbeat time.Duration
}

// driver is one run.
type driver struct {
	task    result.Task
	options Options
	log     *journal
	res     result.Result

	keys  storage.Keys
	place storage.Location
	cache kopiaexec.Cache
	// readOnly is true for a run that reads the repository alone: it creates none, and
	// kopia opens it so.
	readOnly bool
	// ownCache is true for a cache that goes with the run.
	ownCache bool
	config   kopiaexec.Config
	paths    argv.Paths
	runner   *kopiaexec.Runner
	version  string
	// createdID is the unique id of a repository that this run has made, where it
	// can be told.
	createdID string

	policyFiles []*policyFile
	settings    policy.Resolution
	// phase is the one that is going on, and since when.
	phase      string
	phaseStart time.Time
	// cancelledAt is when the run's context ended; the grace period begins there.
	cancelledAt atomic.Pointer[time.Time]
}

// Run carries out the task and returns its Result, which it has also written to
// the log and to the termination file. When ctx ends, kopia is given the grace
// period to save what it has; the cause of ctx (fault.Interrupt or
// fault.Terminated) chooses the exit code.
func Run(ctx context.Context, task result.Task, options Options) result.Result {
	d := newDriver(task, options)
	defer context.AfterFunc(ctx, d.noteCancel)()
	for _, w := range task.Warnings {
		d.warn(w.Code, w.Message)
	}
	quiet := d.log.beat()
	err := d.operate(ctx)
	quiet()
	d.conclude(ctx, err)
	d.publish()
	return d.res
}

func (d *driver) noteCancel() {
	now := d.options.Clock()
	d.cancelledAt.Store(&now)
}

func newDriver(task result.Task, options Options) *driver {
	start := options.Clock().UTC()
	return &driver{
		task: task, options: options, phaseStart: start,
		log: &journal{
			out: options.Stdout, clock: options.Clock, runID: task.RunID, every: cmp.Or(options.Heartbeat, heartbeatEvery), said: start,
		},
		res: result.Result{
			APIVersion: result.APIVersion, Kind: result.KindResult,
			Operation: task.Operation, RunID: task.RunID, Object: task.Object,
			Outcome: result.Unknown, ExitCode: 1,
			Identity: task.Identity, StartTime: start,
		},
	}
}

func (d *driver) operate(ctx context.Context) error {
	operations := map[result.Operation]func(context.Context) error{
		result.OperationBackup:  d.backup,
		result.OperationRestore: d.restore,
		result.OperationList:    d.list,
		result.OperationProbe:   d.probe,

		result.OperationMaintenance: d.maintain,
	}
	operation, known := operations[d.task.Operation]
	if !known {
		return refused("UnknownOperation", fault.New(fault.Refused, "this mover does not know the operation %q", d.task.Operation))
	}
	if err := d.checkTask(); err != nil {
		return err
	}
	return operation(ctx)
}

// checkTask refuses a task that lacks the part for its operation.
func (d *driver) checkTask() error {
	missing := ""
	switch {
	case d.task.Operation == result.OperationBackup && d.task.Backup == nil:
		missing = "backup"
	case d.task.Operation == result.OperationRestore && d.task.Restore == nil:
		missing = "restore"
	case d.task.Operation == result.OperationList && d.task.List == nil:
		missing = "list"
	case d.task.Operation == result.OperationMaintenance && d.task.Maintenance == nil:
		missing = "maintenance"
	case d.task.Operation == result.OperationMaintenance && (d.task.Identity.Username == "" || d.task.Identity.Hostname == ""):
		missing = "identity"
	case d.task.WorkDir == "":
		missing = "workDir"
	case d.task.CacheDir == "":
		missing = "cacheDir"
	default:
		return nil
	}
	return refused("BadTask", fault.New(fault.Refused, "the task has no %q", missing))
}

// begin ends the phase that was going on and starts the next.
func (d *driver) begin(phase string) {
	d.endPhase()
	d.phase, d.phaseStart = phase, d.options.Clock().UTC()
	d.log.begin(phase, d.phaseStart)
}

// phaseFailed tells that the phase that is going on has failed, where another may follow;
// of the last one, the Result says it.
func (d *driver) phaseFailed() {
	d.log.event(result.Event{Type: result.EventFailed, Phase: d.phase})
}

func (d *driver) endPhase() {
	if d.phase != "" {
		took := d.options.Clock().UTC().Sub(d.phaseStart).Round(time.Millisecond)
		d.res.Phases = append(d.res.Phases, result.Phase{Name: d.phase, Took: result.Duration(took)})
	}
	d.phase = ""
}

// warn is for what this run met: it adds to the Result's warnings, which change
// the outcome (see result.Outcome), and to the log.
func (d *driver) warn(code, message string) {
	w := result.Warning{Code: code, Message: d.log.redact(message)}
	d.res.Warnings = append(d.res.Warnings, w)
	d.log.sayf("WARNING: %s %s", code, message)
	d.log.event(result.Event{Type: result.EventWarning, Warning: &w})
}

// find is for what the Secret, the policy files and the manifest say, whatever
// the run meets: it adds to the log alone.
func (d *driver) find(severity problem.Severity, code, message string) {
	prefix := ""
	if severity != problem.Info {
		prefix = strings.ToUpper(string(severity)) + ": "
	}
	d.log.sayf("%s%s %s", prefix, code, message)
}

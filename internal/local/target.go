package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// Target does the steps of a plan whose mover runs on this machine.
type Target struct {
	// Plan is the plan being executed.
	Plan plan.Plan
	// WorkDir is the run's private directory; the Task's lies in it.
	WorkDir string
	// Set holds the Secrets and ConfigMaps of the input.
	Set *spec.Set
	// Run is this run's record.
	Run *Run
	// State takes the outcome; nil for an operation without a history.
	State *State
	// ManualTag and Scheduled are what the object's trigger asks for.
	ManualTag string
	Scheduled bool
	// Executable is this program, Env the mover's whole environment.
	Executable string
	Env        []string
	Observer   run.Observer
	Stderr     io.Writer
	Now        func() time.Time
}

// Do implements run.Target.
func (t *Target) Do(ctx context.Context, step plan.Step, mover *result.Result) (*result.Result, error) {
	switch step.Kind {
	case plan.StepPrepare:
		return nil, prepare(step.Prepare, t.Set, t.Plan.Object.Namespace)
	case plan.StepRun:
		return t.runMover(ctx, step)
	case plan.StepStatus:
		return nil, t.record(mover)
	case plan.StepRemove:
		return nil, t.remove()
	default:
		return nil, fault.New(fault.Failed, "step %d: %s is no step of a local run", step.ID, step.Kind)
	}
}

// Undo implements run.Target.
func (t *Target) Undo(_ context.Context, action plan.Cleanup) error {
	if action.Action != plan.CleanupRemove {
		return fault.New(fault.Failed, "%s is no clean-up of a local run", action.Action)
	}
	return t.remove()
}

// remove removes the private directory, then takes the run off the record.
func (t *Target) remove() error { return errors.Join(t.removeWorkDir(), t.Run.End()) }

// removeWorkDir removes the private directory and sees it gone.
func (t *Target) removeWorkDir() error {
	dir := t.WorkDir
	if err := os.RemoveAll(dir); err != nil {
		return fault.New(fault.Leftover, "remove the private directory: %w", err).At(dir)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		return fault.New(fault.Leftover, "the private directory is still there").At(dir)
	}
	return nil
}

// record writes the outcome to the local history.
func (t *Target) record(r *result.Result) error {
	if t.State == nil || r == nil {
		return nil
	}
	return t.State.Record(status.Run{Result: *r, ManualTag: t.ManualTag, Scheduled: t.Scheduled})
}

// taskFile and terminationFile are the mover's input and its bounded output.
const (
	taskFile        = "task.json"
	terminationFile = "termination.json"
	// moverMargin is what the mover may take beyond kopia's grace period.
	moverMargin = 15 * time.Second
)

// runMover starts the mover and collects its Result, which arrives twice: as
// the last event and as the termination message. Either suffices. The step's wait bounds
// it.
func (t *Target) runMover(outer context.Context, step plan.Step) (*result.Result, error) {
	ctx, cancel := within(outer, t.Plan.Object.Kind, step)
	defer cancel()
	task := t.Plan.Task
	data, err := json.Marshal(task)
	if err != nil {
		return nil, fmt.Errorf("encode the task: %w", err)
	}
	taskPath := filepath.Join(t.WorkDir, taskFile)
	if err := os.WriteFile(taskPath, data, privateFile); err != nil {
		return nil, fault.New(fault.Failed, "write the task: %w", err)
	}
	termination := filepath.Join(t.WorkDir, terminationFile)
	collect := run.Collector{Observer: t.Observer, Task: task, Began: t.Now(), Now: t.Now, Stopped: func() error { return context.Cause(ctx) }}
	args := []string{"mover", "--task", taskPath, "--termination-log", termination, "--lock", t.Run.MoverLock(), "--watch-parent"}
	if task.Maintenance != nil {
		args = append(args, "--maintenance-locks", t.Run.MaintenanceLocks())
	}
	end, err := kopiaexec.Child{
		Executable: t.Executable,
		Args:       args,
		Env:        t.Env,
		Grace:      time.Duration(task.GracePeriod) + moverMargin,
		OnLine:     collect.Line,
		Stderr:     t.Stderr,
	}.Run(ctx)
	if err != nil {
		return nil, fault.New(fault.Failed, "%w", err)
	}
	if end.Terminated && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	message, _ := os.ReadFile(termination) // absent when the mover died
	r := collect.Agree(message, fmt.Sprintf("the mover ended with exit code %d", end.ExitCode))
	if outer.Err() == nil && ctx.Err() != nil { // whoever runs the plan does not know why it was stopped
		r = run.Settle(r, context.Cause(ctx))
	}
	return r, nil
}

// within is ctx for no longer than the step may take, of a run for an object of the kind.
func within(ctx context.Context, kind string, step plan.Step) (context.Context, context.CancelFunc) {
	for _, wait := range step.Waits {
		if wait.For == plan.UntilEnded && wait.Timeout > 0 {
			limit := time.Duration(wait.Timeout)
			return context.WithTimeoutCause(ctx, limit, fault.New(fault.TimedOut, "the mover took longer than %s", limit).
				WithHint(plan.LimitHint(kind)))
		}
	}
	return context.WithCancel(ctx)
}

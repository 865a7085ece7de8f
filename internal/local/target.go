package local

import (
	"context"
	"encoding/json"
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
		return t.runMover(ctx)
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

// remove removes the private directory and sees it gone.
func (t *Target) remove() error {
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
// the last event and as the termination message. Either suffices.
func (t *Target) runMover(ctx context.Context) (*result.Result, error) {
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
	collect := collector{observer: t.Observer, runID: task.RunID, now: t.Now}
	end, err := kopiaexec.Child{
		Executable: t.Executable,
		Args:       []string{"mover", "--task", taskPath, "--termination-log", termination, "--lock", t.Run.MoverLock(), "--watch-parent"},
		Env:        t.Env,
		Grace:      time.Duration(task.GracePeriod) + moverMargin,
		OnLine:     collect.line,
		Stderr:     t.Stderr,
	}.Run(ctx)
	if err != nil {
		return nil, fault.New(fault.Failed, "%w", err)
	}
	if end.Terminated && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	message, _ := os.ReadFile(termination) // absent when the mover died
	return agree(collect.result, message, end.ExitCode, task.RunID)
}

// agree returns the Result that arrived as an event, as a termination message,
// or both ways; two that contradict each other are as good as none.
func agree(event *result.Result, message []byte, code int, runID string) (*result.Result, error) {
	written, err := result.Decode(message) // fails also on an empty message
	switch {
	case err != nil && event == nil:
		return nil, unknown(runID, "the mover ended with exit code %d and left no result", code)
	case err != nil:
		return event, nil //nolint:nilerr // one of the two suffices
	case event == nil:
		return written, nil
	case event.RunID != written.RunID, event.Outcome != written.Outcome, snapshotID(event) != snapshotID(written):
		return nil, unknown(runID, "the mover's two results differ: %s and %s", event.Outcome, written.Outcome)
	}
	return event, nil
}

// unknown is the fault of a run whose outcome nobody can tell.
func unknown(runID, format string, args ...any) error {
	return fault.New(fault.Failed, format, args...).WithWhy("the outcome is unknown; a snapshot may exist").
		WithHint("look for the run's tag among the snapshots: volsync-kopia-run:" + runID)
}

func snapshotID(r *result.Result) string {
	if r.Snapshot == nil {
		return ""
	}
	return r.Snapshot.ID
}

// collector passes the mover's log on and keeps the Result.
type collector struct {
	observer run.Observer
	runID    string
	now      func() time.Time
	result   *result.Result
}

func (c *collector) line(line string) {
	event, err := result.DecodeEventLine([]byte(line))
	if err != nil {
		event = &result.Event{
			APIVersion: result.APIVersion, Kind: result.KindEvent, Time: c.now(), RunID: c.runID,
			Type: result.EventLog, Message: line,
		}
	}
	if event.Type == result.EventResult {
		// The executor reports the final Result, once.
		c.result = event.Result
		return
	}
	c.observer.Observe(*event)
}

package cmd

import (
	"context"
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/mover"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// moverFlags are the flags as given by a Job or by a local run.
type moverFlags struct {
	task           string
	terminationLog string
	lock           string
	// maintenanceLocks is the directory of the locks of repositories; see local.HoldMaintenance.
	maintenanceLocks string
	watchParent      bool
}

// NewMoverCommand returns the hidden in-pod entry. It builds no Kubernetes
// client: what it needs to know is in the Task and in mounted files.
func NewMoverCommand(f *Factory) *cobra.Command {
	flags := &moverFlags{}
	c := &cobra.Command{
		Use:    "mover --task FILE",
		Short:  "Run one task with kopia (the entry of the mover pod)",
		Hidden: true,
		Args:   noArguments,
		RunE:   func(c *cobra.Command, _ []string) error { return flags.run(c.Context(), f) },
	}
	c.Flags().StringVar(&flags.task, "task", "", "the task, a JSON file")
	c.Flags().StringVar(&flags.terminationLog, "termination-log", "", "file that takes the bounded result")
	c.Flags().StringVar(&flags.lock, "lock", "", "file to hold locked while this process lives")
	c.Flags().StringVar(&flags.maintenanceLocks, "maintenance-locks", "", "directory of the locks that keep two maintenances of a repository apart on this machine")
	c.Flags().BoolVar(&flags.watchParent, "watch-parent", false, "stop as with SIGTERM when the parent process dies")
	return c
}

func (m *moverFlags) run(ctx context.Context, f *Factory) error {
	if m.task == "" {
		return fault.New(fault.Usage, "--task is missing: the task that the mover runs")
	}
	data, err := os.ReadFile(m.task)
	if err != nil {
		return fault.New(fault.Usage, "read the task: %w", err)
	}
	options := mover.Options{Stdout: f.Streams.Out, TerminationLog: m.terminationLog, Clock: f.Now, Path: f.Getenv("PATH")}
	task, err := result.DecodeTask(data)
	if err != nil {
		hint := "plugin and mover must be of the same release"
		return exitOf(mover.Refuse(ctx, namesIn(data), options, "BadTask", fault.New(fault.Refused, "%w", err).WithHint(hint)))
	}
	if m.lock != "" {
		release, err := local.HoldMoverLock(m.lock)
		if err != nil {
			return exitOf(mover.Refuse(ctx, *task, options, "NotLocked", fault.New(fault.Refused, "%w", err)))
		}
		defer release()
	}
	if m.maintenanceLocks != "" {
		options.HoldMaintenance = func(uniqueID string) (func(), error) { return local.HoldMaintenance(m.maintenanceLocks, uniqueID) }
	}
	if m.watchParent {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		go watchParent(cancel)
	}
	return exitOf(mover.Run(ctx, *task, options))
}

// exitOf ends the process as the Result says, which the mover has told of.
func exitOf(r result.Result) error { return exitWith(fault.ExitCode(r.ExitCode)) }

// namesIn reads what a Result needs to be recognised by from a task that is not
// of this release: these fields are the least likely to differ.
func namesIn(task []byte) result.Task {
	var t struct {
		Operation result.Operation `json:"operation"`
		RunID     string           `json:"runID"`
		Object    result.ObjectRef `json:"object"`
		Identity  result.Identity  `json:"identity"`
	}
	// What it is not, DecodeTask has said.
	_ = json.Unmarshal(task, &t)
	return result.Task{Operation: t.Operation, RunID: t.RunID, Object: t.Object, Identity: t.Identity}
}

// watchParent cancels when the pipe's other end, which only the parent holds, is
// closed.
func watchParent(cancel context.CancelCauseFunc) {
	pipe := os.NewFile(kopiaexec.ParentFD, "parent")
	if pipe == nil {
		return
	}
	// Nobody writes: the read ends when the last writer is gone.
	_, _ = pipe.Read(make([]byte, 1))
	cancel(fault.New(fault.Terminated, "the command that started this mover has died"))
}

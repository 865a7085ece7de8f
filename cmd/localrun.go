package cmd

import (
	"context"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// localRun is a run on this machine: the object's lock, and the record by which
// the next run finds what this one leaves when it is killed.
type localRun struct {
	f      *Factory
	env    *plan.LocalEnv
	record *local.Run
	// state is nil for a run that only reads.
	state  *local.State
	unlock func()
}

// beginRead begins a run that takes no lock and keeps no history.
func (f *Factory) beginRead(env *plan.LocalEnv, runID string) (*localRun, error) {
	record, err := local.Begin(env.StateDir, runID, env.WorkDir)
	if err != nil {
		return nil, err
	}
	return &localRun{f: f, env: env, record: record, unlock: func() {}}, nil
}

// beginBackup begins a run that is the only one of its source.
func (f *Factory) beginBackup(env *plan.LocalEnv, runID string, object result.ObjectRef) (*localRun, error) {
	state := local.StateOf(env.StateDir, object)
	unlock, err := state.Lock(runID)
	if err != nil {
		return nil, err
	}
	r, err := f.beginRead(env, runID)
	if err != nil {
		unlock()
		return nil, err
	}
	r.state, r.unlock = &state, unlock
	return r, nil
}

// end takes the run off the record and gives the lock back.
func (r *localRun) end() error {
	defer r.unlock()
	if err := r.record.End(); err != nil {
		return fault.New(fault.Leftover, "take the run off the record: %w", err)
	}
	return nil
}

// execute runs the plan.
func (r *localRun) execute(ctx context.Context, p plan.Plan, set *spec.Set, d *spec.Document, observer run.Observer) run.Execution {
	executable, err := r.f.Executable()
	if err != nil {
		return run.Execution{Err: err, Result: result.Result{Outcome: result.Failed, ExitCode: 1, Message: err.Error()}}
	}
	target := &local.Target{
		Plan: p, WorkDir: r.env.WorkDir, Set: set, Run: r.record, State: r.state, Executable: executable, Observer: observer,
		// Actions find their programs; nothing else of this process's
		// environment reaches the mover.
		Env: []string{"PATH=" + r.f.Getenv("PATH")}, Stderr: r.f.Streams.ErrOut, Now: r.f.Now,
	}
	if trigger := d.Source.Spec.Trigger; trigger != nil {
		target.ManualTag, target.Scheduled = trigger.Manual, trigger.Schedule != nil
	}
	return run.Execute(ctx, p, target, observer, r.f.Now)
}

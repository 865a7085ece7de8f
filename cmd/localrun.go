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
	// executable is this program, which is the mover too.
	executable string
	// state is nil for a run that only reads.
	state  *local.State
	unlock func()
}

// beginRead begins a run that takes no lock and keeps no history.
func (f *Factory) beginRead(env *plan.LocalEnv, runID string) (*localRun, error) {
	executable, err := f.Executable()
	if err != nil {
		return nil, fault.New(fault.Failed, "find this program, which is the mover too: %w", err)
	}
	record, err := local.Begin(env.StateDir, runID, env.WorkDir)
	if err != nil {
		return nil, unusableState(err)
	}
	return &localRun{f: f, env: env, record: record, executable: executable, unlock: func() {}}, nil
}

// beginRun begins a run that is the only one of its object.
func (f *Factory) beginRun(env *plan.LocalEnv, runID string, object result.ObjectRef) (*localRun, error) {
	state := local.StateOf(env.StateDir, object)
	unlock, err := state.Lock(runID)
	if err != nil {
		return nil, unusableState(err)
	}
	r, err := f.beginRead(env, runID)
	if err != nil {
		unlock()
		return nil, err
	}
	r.state, r.unlock = &state, unlock
	return r, nil
}

// unusableState makes a state directory that cannot be written a refusal: nothing
// has been run.
func unusableState(err error) error {
	if fault.KindOf(err) != fault.Failed {
		return err
	}
	return fault.New(fault.Refused, "%w", err).WithHint("choose another with --state-dir")
}

// end takes the run off the record, if its plan has not done that, and gives the
// lock back. The error says what is left.
func (r *localRun) end() error {
	defer r.unlock()
	return r.record.End()
}

// execute runs the plan.
func (r *localRun) execute(ctx context.Context, p plan.Plan, set *spec.Set, d *spec.Document, observer run.Observer) run.Execution {
	target := &local.Target{
		Plan: p, WorkDir: r.env.WorkDir, Set: set, Run: r.record, State: r.state, Executable: r.executable, Observer: observer,
		// Actions find their programs; nothing else of this process's
		// environment reaches the mover.
		Env: []string{"PATH=" + r.f.Getenv("PATH")}, Stderr: r.f.lines(), Now: r.f.Now,
	}
	trigger := d.Trigger()
	target.ManualTag, target.Scheduled = trigger.Manual, trigger.Schedule != nil
	return run.Execute(ctx, p, target, observer, r.f.Now)
}

package cmd

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// timeoutFlags are the budgets of the waits of a run on a cluster; each is named
// after what is waited for.
type timeoutFlags struct {
	ready, bound, scheduled, started, idle, triggered, cancelGrace, removed time.Duration
}

// budget is a flag for one of them.
type budget struct {
	to    *time.Duration
	name  string
	value result.Duration
	usage string
}

func addBudgets(flags *pflag.FlagSet, budgets []budget) {
	for _, f := range budgets {
		flags.DurationVar(f.to, f.name, time.Duration(f.value), f.usage+"; 0: no limit")
	}
}

// addCopyTimeouts adds the budgets of the waits for a copy of the volume.
func (p *planFlags) addCopyTimeouts(flags *pflag.FlagSet) {
	t, defaults := &p.timeouts, p.options.Timeouts
	addBudgets(flags, []budget{
		{&t.ready, "ready-timeout", defaults.SnapshotReady, "longest wait until the VolumeSnapshot is ready"},
		{&t.bound, "bound-timeout", defaults.Bound, "longest wait until the copy's claim is bound"},
		{&t.triggered, "triggered-timeout", defaults.CopyTrigger, "longest wait for the claim's copy trigger"},
	})
}

// addTimeouts adds the budgets of the waits for the mover.
func (p *planFlags) addTimeouts(flags *pflag.FlagSet) {
	t, defaults := &p.timeouts, p.options.Timeouts
	addBudgets(flags, []budget{
		{&t.scheduled, "scheduled-timeout", defaults.Scheduled, "longest wait until the mover has a node"},
		{&t.started, "started-timeout", defaults.Started, "longest wait until the mover has started on its node"},
		{&t.idle, "idle-timeout", defaults.Idle, "longest silence of the mover"},
		{&t.removed, "removed-timeout", defaults.Removed, removedUsage},
	})
	flags.DurationVar(&t.cancelGrace, "cancel-grace", time.Duration(defaults.CancelGrace), "time allowed for the mover to stop, at least "+leastGrace.String())
}

// check refuses budgets below zero, which would be none.
func (t *timeoutFlags) check() error {
	return errors.Join(
		notNegative("ready-timeout", t.ready), notNegative("bound-timeout", t.bound), notNegative("scheduled-timeout", t.scheduled),
		notNegative("started-timeout", t.started), notNegative("idle-timeout", t.idle), notNegative("triggered-timeout", t.triggered),
		notNegative("removed-timeout", t.removed),
	)
}

// apply sets the budgets and refuses those that are none.
func (t *timeoutFlags) apply(to *plan.Timeouts) error {
	to.SnapshotReady, to.Bound, to.Scheduled = result.Duration(t.ready), result.Duration(t.bound), result.Duration(t.scheduled)
	to.Started, to.Idle, to.CopyTrigger = result.Duration(t.started), result.Duration(t.idle), result.Duration(t.triggered)
	to.CancelGrace, to.Removed = result.Duration(t.cancelGrace), result.Duration(t.removed)
	if t.cancelGrace < leastGrace {
		return fault.New(fault.Usage, "--cancel-grace=%s: a mover needs at least %s to end its snapshot", t.cancelGrace, leastGrace)
	}
	return nil
}

// leastGrace is what kopia's checkpoint, an after-action and the writing of the
// Result take at the least.
const leastGrace = 20 * time.Second

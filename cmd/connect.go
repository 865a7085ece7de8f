package cmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// addConnect adds --connect, and how the question is shown.
func (p *planFlags) addConnect(c *cobra.Command) {
	c.Flags().BoolVar(&p.connect, "connect", false, "for a plan, ask the repository what only it knows, and write nothing: whether it exists, what its policies are now")
	addProgressFlag(c, &p.progress)
}

// ask asks the repository what a plan of the same input leaves open. It is a run
// like any other, with a plan of its own that is not part of what is printed.
func (p *planFlags) ask(ctx context.Context, f *Factory, in plan.Input) verdict {
	object := in.Document.Object()
	in.Env.RunID = f.NewRunID()
	if in.Env.Local != nil {
		env, err := p.local.env(f, in.Document, in.Env.RunID, p.sourceDir)
		if err != nil {
			return failedVerdict(object, err)
		}
		in.Env.Local = env
	}
	probe, findings := plan.BuildProbe(in)
	if err := refusal(findings); err != nil {
		return failedVerdict(object, err)
	}
	display, err := f.progress(p.progress)
	if err != nil {
		return failedVerdict(object, err)
	}
	execute := f.probeOnCluster
	if in.Env.Local != nil {
		execute = f.probeHere
	}
	v := execute(ctx, in, probe, display)
	display.Close()
	v.shownBy(display)
	v.settle()
	return v
}

// probeHere asks with the kopia of this machine.
func (f *Factory) probeHere(ctx context.Context, in plan.Input, probe plan.Plan, observer run.Observer) verdict {
	object := in.Document.Object()
	limit := plan.ProbeTimeout
	if t := time.Duration(in.Options.Timeouts.Running); t > 0 {
		limit = t
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fault.New(fault.TimedOut, "the repository has not answered within %s", limit).
		WithHint("--timeout sets the limit"))
	defer cancel()
	session, err := f.beginRead(probe.Local, probe.RunID)
	if err != nil {
		return failedVerdict(object, err)
	}
	v := executedVerdict(object, session.execute(ctx, probe, in.Set, in.Document, observer))
	v.leave(session.end())
	return v
}

// probeOnCluster asks by a pod.
func (f *Factory) probeOnCluster(ctx context.Context, in plan.Input, probe plan.Plan, observer run.Observer) verdict {
	object := in.Document.Object()
	c, err := f.cluster()
	if err != nil {
		return failedVerdict(object, err)
	}
	observer.Observe(result.Event{
		Type: result.EventStart, Message: "Asking the repository of " + object + ", which writes nothing there",
	}.Of(probe.RunID, f.Now()))
	running, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	target := k8s.NewTarget(c, probe, k8s.Outcome{}, observer, f.Now, lost)
	defer target.Close()
	return executedVerdict(object, run.Execute(running, probe, target, observer, f.Now))
}

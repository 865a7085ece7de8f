package cmd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// runFlags are the flags, as typed, of a command that runs the objects of its input:
// backup and maintenance.
type runFlags struct {
	planFlags

	dryRun      string
	maxParallel int
	scheduled   scheduledFlags

	// cluster is where the runs go; nil: this machine.
	cluster *k8s.Cluster
	// turns keeps objects from making or maintaining one repository at the same time.
	turns turns
}

// addRuns adds what a run has and a plan has not; objects are what the command runs.
func (r *runFlags) addRuns(c *cobra.Command, objects string) {
	c.Flags().StringVar(&r.dryRun, "dry-run", "none", `"none", "client" (print the plan only) or "server" (also submit each object as a server-side dry run)`)
	c.Flags().IntVar(&r.maxParallel, "max-parallel", 2, "how many "+objects+" of the input run at a time")
	addRunReports(c)
	r.scheduled.add(c)
}

func (r *runFlags) run(ctx context.Context, f *Factory, names []string) error {
	if err := errors.Join(
		oneOf("dry-run", r.dryRun, "none", "client", "server"), checkProgress(r.progress), r.check(f), r.checkDryRun(), f.checkRunReports(),
		atLeast("max-parallel", r.maxParallel, 1), r.scheduled.check(&r.planFlags),
	); err != nil {
		return err
	}
	if err := r.scheduled.apply(&r.planFlags); err != nil {
		return err
	}
	if err := f.checkNamespace(r.classes); err != nil {
		return err
	}
	if err := r.readNamed(ctx, f, names); err != nil {
		return err
	}
	switch r.dryRun {
	case "client":
		return r.printPlans(ctx, f)
	case "server":
		return r.dryRunOnServer(ctx, f)
	}
	r.takeKopiaVersion(f)
	input, err := f.load(ctx, &r.manifests, r.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.objects(input.set, r.kinds...)
	if err != nil {
		return err
	}
	if !r.local.local {
		if r.cluster, err = r.target(f); err != nil {
			return err
		}
	}
	display, err := f.progressOf(r.progress, len(docs))
	if err != nil {
		return err
	}
	verdicts := r.runAll(ctx, f, input, docs, display)
	display.Close()
	if len(verdicts) == 1 { // of several, the log that they share does not say whose failure it tells
		verdicts[0].shownBy(display)
	}
	return f.reportVerdicts(r.output, verdicts)
}

// checkDryRun refuses what the dry run, or a run that is none, could only ignore.
func (r *runFlags) checkDryRun() error {
	switch {
	case r.dryRun != "client" && r.connect:
		return fault.New(fault.Usage, "--connect asks the repository for a plan; a run asks it anyway").WithHint("add --dry-run=client, or use plan")
	case r.dryRun == "server" && r.local.local:
		return fault.New(fault.Usage, "--dry-run=server asks an API server; with --local there is none").WithHint("use --dry-run=client")
	case r.dryRun != "client" && r.facts != "":
		return fault.New(fault.Usage, "--facts stand in for a cluster, and --dry-run=%s needs the cluster itself", r.dryRun).
			WithHint("use --dry-run=client, or omit --facts")
	}
	return nil
}

// runAll runs the objects, at most maxParallel at a time; they begin, and the
// verdicts are, in the order of the input.
func (r *runFlags) runAll(ctx context.Context, f *Factory, input *manifests, docs []*spec.Document, observer run.Observer) []verdict {
	verdicts := make([]verdict, len(docs))
	slots := make(chan struct{}, r.maxParallel)
	var all sync.WaitGroup
	for i, d := range docs {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			mine := observer
			if len(docs) > 1 {
				mine = labelled{observer, d.Object()}
			}
			verdicts[i] = r.runOne(ctx, f, input, d, mine).of(operationOf(d), objectRef(d))
			verdicts[i].at = d.At
		})
	}
	all.Wait()
	return verdicts
}

// runOne plans and runs one object.
func (r *runFlags) runOne(ctx context.Context, f *Factory, input *manifests, d *spec.Document, observer run.Observer) verdict {
	ctx, cancel := r.limited(ctx, "the run")
	defer cancel()
	if r.cluster != nil {
		return r.runOnCluster(ctx, f, r.cluster, input, d, observer).endedBy(ctx)
	}
	runID := f.NewRunID()
	env, err := r.local.env(f, d, runID, r.sourceOf(d))
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	session, err := f.beginRun(env, runID, objectRef(d))
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	v := r.planAndRun(ctx, session, input, d, runID, observer)
	v.leave(session.end())
	return v
}

// planAndRun plans with the lock held, so that no other run changes the facts
// in between.
func (r *runFlags) planAndRun(ctx context.Context, session *localRun, input *manifests, d *spec.Document, runID string, observer run.Observer) verdict {
	facts, err := localFacts(*session.state, d)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	p, err := r.build(session.f, input, d, facts, runID, session.env)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	if p.Skip != nil {
		return skippedVerdict(p, d.Object(), session.f.Now())
	}
	give, _, err := r.turns.take(ctx, p)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	var v verdict
	defer func() { give(v.result) }()
	intent := p.Intent()
	if dir := r.sourceOf(d); dir != "" {
		intent = fmt.Sprintf("Backup of %s as %s", dir, p.Identity) // the directory as typed
	}
	observer.Observe(startEvent(p, intent, session.f.Now()))
	if err := r.warnOf(session.f, input, d, p, observer); err != nil {
		return failedVerdict(d.Object(), err)
	}
	defer session.f.unfinished.begin(runID, "its mover stops by itself; the next run in this state directory removes what is left of it")()
	v = executedVerdict(d.Object(), session.execute(ctx, p, input.set, d, observer))
	return v
}

// startEvent begins the log of a run.
func startEvent(p plan.Plan, intent string, now time.Time) result.Event {
	return result.Event{Type: result.EventStart, Message: intent + ", run " + p.RunID}.Of(p.RunID, now)
}

// operationOf is what a run of the document's object does.
func operationOf(d *spec.Document) result.Operation {
	if d.Maintenance != nil {
		return result.OperationMaintenance
	}
	return result.OperationBackup
}

// objectRef names the document's object.
func objectRef(d *spec.Document) result.ObjectRef {
	m := d.Metadata()
	return result.ObjectRef{Kind: d.Kind(), Namespace: m.Namespace, Name: m.Name, UID: m.UID}
}

func atLeast(flag string, value, least int) error {
	if value < least {
		return fault.New(fault.Usage, "--%s=%d: at least %d is needed", flag, value, least)
	}
	return nil
}

func notNegative(flag string, value time.Duration) error {
	if value < 0 {
		return fault.New(fault.Usage, "--%s=%s is less than 0", flag, value)
	}
	return nil
}

// wholeSeconds rounds up: Kubernetes takes whole seconds only, and half a second
// must not become the 0 that means something else.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

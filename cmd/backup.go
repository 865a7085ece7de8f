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
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const backupLong = `Run the ReplicationSources of the input now: those of manifests (-f, -k), or those that the cluster
holds (NAME).

The manifest is validated, planned and run: a point-in-time copy of the volume is made, a mover Job
backs it up, and the copy is removed. Success means that a fresh kopia process has re-read the
snapshot from the repository.

With --local the mover runs on this machine: --source-dir stands in for the volume, --repository-dir
for the repository. Identity and recorded path are those of a run in the cluster, so both share
their snapshots.`

const backupExamples = `  # Back up as a manifest says, in the cluster
  kubectl volsync-kopia backup -f source.yaml -n prod

  # The same for a source that the cluster holds
  kubectl volsync-kopia backup postgres -n prod

  # Print the plan only; --connect adds what the repository holds now
  kubectl volsync-kopia backup postgres -n prod --dry-run=client --connect

  # Start it and return; follow it later, from any machine
  kubectl volsync-kopia backup postgres -n prod --detach
  kubectl volsync-kopia runs attach RUN -n prod

  # In a pipeline: a time limit, the result for a script, a report of the verdicts
  kubectl volsync-kopia backup -f sources/ -n prod --timeout 1h -o json --report-junit backup.xml

  # On this machine, with a directory in place of the volume
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data

  # Try a policy there on a repository in a directory that exists, before it reaches a cluster
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data --repository-dir ./repo`

// backupFlags are the flags as typed.
type backupFlags struct {
	planFlags

	dryRun      string
	maxParallel int
	scheduled   scheduledFlags

	// cluster is where the runs go; nil: this machine.
	cluster *k8s.Cluster
	// turns keeps sources from making one repository at the same time.
	turns turns
}

// NewBackupCommand returns the backup command.
func NewBackupCommand(f *Factory) *cobra.Command {
	flags := &backupFlags{}
	c := &cobra.Command{
		Use:     "backup (-f FILE... | NAME...)",
		Short:   "Run a ReplicationSource now",
		Long:    backupLong + exitCodes(0, 1, 2, 3, 4, 5, 6, 7, 8, 130, 143),
		Example: backupExamples, Annotations: resultOf(result.OperationBackup),
		RunE: func(c *cobra.Command, names []string) error { return flags.run(c.Context(), f, names) },
	}
	flags.add(c)
	flags.addConnect(c)
	c.Flags().StringVar(&flags.dryRun, "dry-run", "none", `"none", "client" (print the plan only) or "server" (also submit each object as a server-side dry run)`)
	c.Flags().IntVar(&flags.maxParallel, "max-parallel", 2, "how many sources of the input run at a time")
	addRunReports(c)
	flags.scheduled.add(c)
	return c
}

func (b *backupFlags) run(ctx context.Context, f *Factory, names []string) error {
	if err := errors.Join(
		oneOf("dry-run", b.dryRun, "none", "client", "server"), checkProgress(b.progress), b.check(), b.checkDryRun(), f.checkRunReports(),
		atLeast("max-parallel", b.maxParallel, 1), b.scheduled.check(&b.planFlags),
	); err != nil {
		return err
	}
	if err := b.scheduled.apply(&b.planFlags); err != nil {
		return err
	}
	if err := b.readNamed(ctx, f, names); err != nil {
		return err
	}
	switch b.dryRun {
	case "client":
		return b.printPlans(ctx, f)
	case "server":
		return b.dryRunOnServer(ctx, f)
	}
	b.takeKopiaVersion(f)
	input, err := f.load(ctx, &b.manifests, b.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.sources(input.set)
	if err != nil {
		return err
	}
	if !b.local.local {
		if b.cluster, err = b.target(f); err != nil {
			return err
		}
	}
	display, err := f.progressOf(b.progress, len(docs))
	if err != nil {
		return err
	}
	verdicts := b.runAll(ctx, f, input, docs, display)
	display.Close()
	if len(verdicts) == 1 { // of several, the log that they share does not say whose failure it tells
		verdicts[0].shownBy(display)
	}
	return f.reportVerdicts(b.output, verdicts)
}

// checkDryRun refuses what the dry run, or a run that is none, could only ignore.
func (b *backupFlags) checkDryRun() error {
	switch {
	case b.dryRun != "client" && b.connect:
		return fault.New(fault.Usage, "--connect asks the repository for a plan; a run asks it anyway").WithHint("add --dry-run=client, or use plan")
	case b.dryRun == "server" && b.local.local:
		return fault.New(fault.Usage, "--dry-run=server asks an API server; with --local there is none").WithHint("use --dry-run=client")
	case b.dryRun != "client" && b.facts != "":
		return fault.New(fault.Usage, "--facts stand in for a cluster, and --dry-run=%s needs the cluster itself", b.dryRun).
			WithHint("use --dry-run=client, or omit --facts")
	}
	return nil
}

// runAll runs the sources, at most maxParallel at a time; they begin, and the
// verdicts are, in the order of the input.
func (b *backupFlags) runAll(ctx context.Context, f *Factory, input *manifests, docs []*spec.Document, observer run.Observer) []verdict {
	verdicts := make([]verdict, len(docs))
	slots := make(chan struct{}, b.maxParallel)
	var all sync.WaitGroup
	for i, d := range docs {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			mine := observer
			if len(docs) > 1 {
				mine = labelled{observer, d.Object()}
			}
			verdicts[i] = b.runOne(ctx, f, input, d, mine).of(result.OperationBackup, objectRef(d))
			verdicts[i].at = d.At
		})
	}
	all.Wait()
	return verdicts
}

// runOne plans and runs one source.
func (b *backupFlags) runOne(ctx context.Context, f *Factory, input *manifests, d *spec.Document, observer run.Observer) verdict {
	ctx, cancel := b.limited(ctx, "the run")
	defer cancel()
	if b.cluster != nil {
		return b.runOnCluster(ctx, f, b.cluster, input, d, observer).endedBy(ctx)
	}
	runID := f.NewRunID()
	env, err := b.local.env(f, d, runID, b.sourceDir)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	session, err := f.beginBackup(env, runID, objectRef(d))
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	v := b.planAndRun(ctx, session, input, d, runID, observer)
	v.leave(session.end())
	return v
}

// planAndRun plans with the lock held, so that no other run changes the facts
// in between.
func (b *backupFlags) planAndRun(ctx context.Context, session *localRun, input *manifests, d *spec.Document, runID string, observer run.Observer) verdict {
	facts, err := localFacts(*session.state, d)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	p, err := b.build(session.f, input, d, facts, runID, session.env)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	if p.Skip != nil {
		return skippedVerdict(p, d.Object(), session.f.Now())
	}
	give, _, err := b.turns.take(ctx, p)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	var v verdict
	defer func() { give(v.result) }()
	observer.Observe(result.Event{
		APIVersion: result.APIVersion, Kind: result.KindEvent, Time: session.f.Now(), RunID: runID, Type: result.EventStart,
		Message: fmt.Sprintf("Backup of %s as %s, run %s", b.sourceDir, p.Identity, runID),
	})
	if err := b.warnOf(session.f, input, d, p, observer); err != nil {
		return failedVerdict(d.Object(), err)
	}
	defer session.f.unfinished.begin(runID, "its mover stops by itself; the next run in this state directory removes what is left of it")()
	v = executedVerdict(d.Object(), session.execute(ctx, p, input.set, d, observer))
	return v
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

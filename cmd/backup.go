package cmd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const backupLong = `Run the ReplicationSources of the input now.

The manifest is validated, planned and run; success means that a fresh kopia process has re-read
the snapshot from the repository. With --local the mover runs on this machine: --source-dir stands
in for the volume, --repository-dir for the repository. Identity and recorded path are those of a
run in the cluster, so both share their snapshots.

Exit codes: 0 done, 3 manifest invalid, 4 snapshot incomplete, 5 refused, 6 timed out, 7 repository,
130 and 143 cancelled; all of them in docs/reference/exit-codes.md.`

const backupExamples = `  # Back a directory up with the settings of a manifest, on this machine
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data

  # Try a policy on a repository in a directory, before it reaches a cluster
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data --repository-dir ./repo

  # Print the plan of that run, and run nothing
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data --dry-run=client

  # The result for a script
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data -o json --progress=none`

// backupFlags are the flags as typed.
type backupFlags struct {
	planFlags

	dryRun      string
	progress    string
	timeout     time.Duration
	maxParallel int
}

// NewBackupCommand returns the backup command.
func NewBackupCommand(f *Factory) *cobra.Command {
	flags := &backupFlags{}
	c := &cobra.Command{
		Use:     "backup -f FILE...",
		Short:   "Run a ReplicationSource now",
		Long:    backupLong,
		Example: backupExamples,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return flags.run(c.Context(), f) },
	}
	flags.add(c)
	c.Flags().StringVar(&flags.dryRun, "dry-run", "none", "none, or client: print the plan and run nothing")
	c.Flags().DurationVar(&flags.timeout, "timeout", 0, "longest time for the whole run; 0: no limit")
	c.Flags().IntVar(&flags.maxParallel, "max-parallel", 2, "how many sources of the input run at a time")
	addProgressFlag(c, &flags.progress)
	return c
}

func (b *backupFlags) run(ctx context.Context, f *Factory) error {
	if err := errors.Join(oneOf("dry-run", b.dryRun, "none", "client"), checkProgress(b.progress), b.check(), atLeast("max-parallel", b.maxParallel, 1)); err != nil {
		return err
	}
	b.options.Timeouts.Running = result.Duration(b.timeout)
	if b.dryRun == "client" {
		return b.printPlans(f)
	}
	if err := b.local.requireLocal("backup"); err != nil {
		return err
	}
	input, err := f.load(&b.manifests, b.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.sources(input.set)
	if err != nil {
		return err
	}
	display, err := f.progressOf(b.progress, len(docs))
	if err != nil {
		return err
	}
	verdicts := b.runAll(ctx, f, input, docs, display)
	display.Close()
	return f.reportVerdicts(b.output, verdicts)
}

// runAll runs the sources, at most maxParallel at a time, and returns the
// verdicts in the order of the input.
func (b *backupFlags) runAll(ctx context.Context, f *Factory, input *manifests, docs []*spec.Document, observer run.Observer) []verdict {
	verdicts := make([]verdict, len(docs))
	slots := make(chan struct{}, b.maxParallel)
	var all sync.WaitGroup
	for i, d := range docs {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			mine := observer
			if len(docs) > 1 {
				mine = labelled{observer, d.Object()}
			}
			verdicts[i] = b.runOne(ctx, f, input, d, mine)
		})
	}
	all.Wait()
	return verdicts
}

// runOne plans and runs one source on this machine.
func (b *backupFlags) runOne(ctx context.Context, f *Factory, input *manifests, d *spec.Document, observer run.Observer) verdict {
	if b.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.timeout, fault.New(fault.TimedOut, "the run took longer than %s", b.timeout).
			WithHint("--timeout sets the limit"))
		defer cancel()
	}
	runID := f.NewRunID()
	env, err := b.local.env(f, runID, b.sourceDir)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	session, err := f.beginBackup(env, runID, objectRef(d))
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	v := b.planAndRun(ctx, session, input, d, runID, observer)
	if err := session.end(); err != nil {
		v.left = append(v.left, err)
	}
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
	observer.Observe(result.Event{
		APIVersion: result.APIVersion, Kind: result.KindEvent, Time: session.f.Now(), RunID: runID, Type: result.EventStart,
		Message: fmt.Sprintf("Backup of %s as %s, run %s", b.sourceDir, p.Identity, runID),
	})
	return executedVerdict(d.Object(), session.execute(ctx, p, input.set, d, observer))
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

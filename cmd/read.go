package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// readFlags are what the commands share that only read a source's repository.
type readFlags struct {
	manifests    manifestFlags
	local        localFlags
	from         string
	output       string
	progress     string
	kopiaVersion string
}

func (r *readFlags) add(c *cobra.Command) {
	r.manifests.add(c)
	r.local.add(c.Flags())
	c.Flags().StringVar(&r.from, "from", "", "the source's name, when the input holds several")
	c.Flags().StringVar(&r.kopiaVersion, "kopia-version", argv.DefaultVersion, "version of kopia that runs")
	addProgressFlag(c, &r.progress)
}

// run plans and runs the task for the one source that is meant. target is the
// directory that the task writes to; nil: none.
func (r *readFlags) run(ctx context.Context, f *Factory, command string, task result.Task, target *targetDir) (verdict, error) {
	if err := errors.Join(
		checkOutput(r.output), checkProgress(r.progress), checkKopiaVersion(r.kopiaVersion), r.local.requireLocal(command),
	); err != nil {
		return verdict{}, err
	}
	r.manifests.repositoryDir = r.local.repositoryDir
	input, err := f.load(ctx, &r.manifests, r.kopiaVersion)
	if err != nil {
		return verdict{}, err
	}
	d, err := f.oneSource(input.set, r.from)
	if err != nil {
		return verdict{}, err
	}
	v := r.runOne(ctx, f, input, d, task, target).of(task.Operation, objectRef(d))
	v.at = d.At
	v.settle()
	return v, nil
}

// runOne plans the task for the source, and runs it.
func (r *readFlags) runOne(ctx context.Context, f *Factory, input *manifests, d *spec.Document, task result.Task, target *targetDir) verdict {
	if err := target.check(); err != nil {
		return failedVerdict(d.Object(), err)
	}
	runID := f.NewRunID()
	env, err := r.local.env(f, d, runID, "")
	if err == nil {
		err = stateApart(env.StateDir, "the target", target.dir())
	}
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	p, findings := plan.BuildRead(plan.Input{
		Set: input.set, Document: d, Options: plan.DefaultOptions(), Findings: findingsOf(input.problems, d),
		Facts: plan.Facts{Namespace: plan.Namespace{Name: d.Metadata().Namespace}},
		Env:   plan.Env{Now: f.Now(), RunID: runID, Version: version.Version, KopiaVersion: r.kopiaVersion, Local: env},
	}, task)
	if err := refusal(findings); err != nil {
		return failedVerdict(d.Object(), err)
	}
	session, err := f.beginRead(p.Local, p.RunID)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	v := r.execute(ctx, session, input, d, p, target)
	v.leave(session.end())
	return v
}

// execute runs the plan with a display of its own.
func (r *readFlags) execute(ctx context.Context, session *localRun, input *manifests, d *spec.Document, p plan.Plan, target *targetDir) verdict {
	if err := target.create(); err != nil {
		return failedVerdict(d.Object(), err)
	}
	display, err := session.f.progress(r.progress)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	answer := &answers{observer: display}
	x := session.execute(ctx, p, input.set, d, answer)
	display.Close()
	if answer.snapshots != nil {
		x.Result.Snapshots = answer.snapshots
	}
	v := executedVerdict(d.Object(), x)
	v.shownBy(display)
	return v
}

// answers keeps a list of snapshots, which travels as an event only.
type answers struct {
	observer  run.Observer
	snapshots []result.Snapshot
}

// Observe implements run.Observer.
func (a *answers) Observe(e result.Event) {
	if e.Result != nil && e.Result.Snapshots != nil {
		a.snapshots = e.Result.Snapshots
	}
	a.observer.Observe(e)
}

// oneSource returns the source that is meant: the only one, or the one named.
func (f *Factory) oneSource(set *spec.Set, name string) (*spec.Document, error) {
	docs, err := f.sources(set)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range docs {
		if d.Metadata().Name == name || name == "" && len(docs) == 1 {
			return d, nil
		}
		names = append(names, d.Metadata().Name)
	}
	if name == "" {
		return nil, fault.New(fault.Usage, "the input holds %d sources: %s", len(docs), join(names)).WithHint("choose one with --from NAME")
	}
	return nil, fault.New(fault.Usage, "the input holds no source named %s, only %s", quote(name), join(names)).
		WithHint("choose one of them with --from NAME")
}

package cmd

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const planLong = `Print what a run would do, and run nothing.

The plan is the very value that a real run executes: every object, every wait, the policies with the
layer that each value comes from, and the argument vectors of kopia. It reads no Secret of a cluster
and never contacts the repository. With --facts it is made from recorded cluster facts, offline.`

const planExamples = `  # The plan of a run on this machine
  kubectl volsync-kopia plan -f source.yaml -f secret.yaml --local --source-dir ./data

  # The plan of a run of a source that the cluster holds
  kubectl volsync-kopia plan postgres -n prod

  # The plan of a run in a cluster, from recorded facts
  kubectl volsync-kopia plan -f source.yaml --facts facts.yaml --mover-image registry.example/mover:1

  # As JSON
  kubectl volsync-kopia plan -f source.yaml --facts facts.yaml --mover-image registry.example/mover:1 -o json`

// NewPlanCommand returns the plan command.
func NewPlanCommand(f *Factory) *cobra.Command {
	flags := &planFlags{}
	c := &cobra.Command{
		Use:     "plan (-f FILE... | NAME...)",
		Short:   "Print what a run would do, and run nothing",
		Long:    planLong,
		Example: planExamples, Annotations: resultOf(result.OperationBackup),
		RunE: func(c *cobra.Command, names []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if err := flags.readNamed(c.Context(), f, names); err != nil {
				return err
			}
			return flags.printPlans(c.Context(), f)
		},
	}
	flags.add(c)
	c.AddCommand(newPlanFactsCommand(f))
	return c
}

// printPlans prints the plan of every source of the input, and why those that
// could not be planned could not.
func (p *planFlags) printPlans(ctx context.Context, f *Factory) error {
	return p.planEach(ctx, f, func(input *manifests, d *spec.Document) (plan.Plan, error) { return p.planOf(ctx, f, input, d) })
}

// planEach has every source of the input planned, and prints what came of it.
func (p *planFlags) planEach(ctx context.Context, f *Factory, planOne func(*manifests, *spec.Document) (plan.Plan, error)) error {
	input, err := f.load(ctx, &p.manifests, p.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.sources(input.set)
	if err != nil {
		return err
	}
	var verdicts []verdict
	for _, d := range docs {
		v := verdict{object: d.Object()}
		if built, err := planOne(input, d); err != nil {
			v = failedVerdict(d.Object(), err).endedBy(ctx)
		} else {
			v.plan = &built
		}
		verdicts = append(verdicts, v.of(result.OperationBackup, objectRef(d)))
	}
	return f.reportVerdicts(p.output, verdicts)
}

// planOf plans one source without touching anything.
func (p *planFlags) planOf(ctx context.Context, f *Factory, input *manifests, d *spec.Document) (plan.Plan, error) {
	runID := f.NewRunID()
	if p.local.local {
		env, err := p.local.env(f, runID, p.sourceDir)
		if err != nil {
			return plan.Plan{}, err
		}
		facts, err := localFacts(local.StateOf(env.StateDir, objectRef(d)), d)
		if err != nil {
			return plan.Plan{}, err
		}
		return p.build(f, input, d, facts, runID, env)
	}
	facts, err := p.clusterFacts(ctx, f, d)
	if err != nil {
		return plan.Plan{}, err
	}
	return p.build(f, input, d, facts, runID, nil)
}

// clusterFacts are the recorded facts, or those of the cluster.
func (p *planFlags) clusterFacts(ctx context.Context, f *Factory, d *spec.Document) (plan.Facts, error) {
	if p.facts == "" {
		c, err := f.cluster()
		if err != nil {
			return plan.Facts{}, err
		}
		return f.observe(ctx, c, d)
	}
	data, err := os.ReadFile(p.facts)
	if err != nil {
		return plan.Facts{}, fault.New(fault.Usage, "read the facts: %w", err)
	}
	facts, err := plan.ParseFacts(data)
	if err != nil {
		return plan.Facts{}, fault.New(fault.Invalid, "%w", err).At(p.facts)
	}
	return facts, nil
}

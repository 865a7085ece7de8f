package cmd

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const planLong = `Print what a run of each ReplicationSource and KopiaMaintenance of the input would do, and run
nothing.

The plan is the very value that a real run executes: every object, every wait, the policies with the
layer that each value comes from, and the argument vectors of kopia. It reads no Secret of a cluster
and never contacts the repository. With --facts it is made from recorded cluster facts, offline.

What only the repository knows is unknown then: its backend, whether it exists, and what its
policies are now. --connect asks it, by a pod that mounts everything read-only and is removed again,
or with --local by the kopia of this machine. Nothing is written there and nothing is created. If it
cannot be asked, as with a wrong password, the plan is printed without, and the exit code is 7.`

const planExamples = `  # What a backup of a manifest would do in the cluster
  kubectl volsync-kopia plan -f source.yaml -n prod

  # The same for a source that the cluster holds
  kubectl volsync-kopia plan postgres -n prod

  # What the maintenance of its repository would do
  kubectl volsync-kopia plan -f maintenance.yaml -n prod

  # With what the repository holds now
  kubectl volsync-kopia plan postgres -n prod --connect

  # In a pipeline without a cluster: record the facts once, plan from them, as JSON
  kubectl volsync-kopia plan facts -f source.yaml -n prod > facts.yaml
  kubectl volsync-kopia plan -f source.yaml --facts facts.yaml --mover-image registry.example/mover:1 -o json

  # The plan of a run on this machine
  kubectl volsync-kopia plan -f source.yaml -f secret.yaml --local --source-dir ./data`

// NewPlanCommand returns the plan command.
func NewPlanCommand(f *Factory) *cobra.Command {
	flags := &planFlags{}
	c := &cobra.Command{
		Use:     "plan (-f FILE... | NAME...)",
		Short:   "Print what a run would do, and run nothing",
		Long:    planLong + exitCodes(0, 1, 2, 3, 5, 6, 7, 8, 130, 143),
		Example: planExamples, Annotations: resultOf(result.OperationBackup),
		RunE: func(c *cobra.Command, names []string) error {
			if err := errors.Join(flags.check(f), checkProgress(flags.progress)); err != nil {
				return err
			}
			if err := flags.readNamed(c.Context(), f, names); err != nil {
				return err
			}
			return flags.printPlans(c.Context(), f)
		},
	}
	flags.add(c)
	flags.kinds = append(flags.kinds, spec.KindKopiaMaintenance)
	flags.addTakeOwnership(c)
	flags.addConnect(c)
	c.AddCommand(newPlanFactsCommand(f))
	return c
}

// printPlans prints the plan of every object of the input, and why those that
// could not be planned could not.
func (p *planFlags) printPlans(ctx context.Context, f *Factory) error {
	return p.planEach(ctx, f, func(ctx context.Context, input *manifests, d *spec.Document) verdict {
		return p.planOf(ctx, f, input, d)
	})
}

// planEach has every object of the input planned, and prints what came of it.
func (p *planFlags) planEach(ctx context.Context, f *Factory, planOne planner) error {
	p.takeKopiaVersion(f)
	input, err := f.load(ctx, &p.manifests, p.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.objects(input.set, p.kinds...)
	if err != nil {
		return err
	}
	if err := p.checkObjects(docs); err != nil {
		return err
	}
	var verdicts []verdict
	for _, d := range docs {
		verdicts = append(verdicts, p.planInTime(ctx, input, d, planOne))
	}
	return f.reportVerdicts(p.output, verdicts)
}

// checkObjects refuses flags that mean nothing for one of the objects, or that one needs.
func (p *planFlags) checkObjects(docs []*spec.Document) error {
	if err := p.checkKinds(docs); err != nil {
		return err
	}
	for _, d := range docs {
		switch {
		case d.Source != nil:
			if err := p.checkSourceDir(); err != nil {
				return err
			}
		case p.connect:
			return fault.New(fault.Usage, "--connect asks the repository about a source's policies").At(d.Object()).
				WithHint("plan it without --connect")
		}
	}
	return nil
}

// checkKinds refuses flags that are about another kind of objects than any of these.
func (p *planFlags) checkKinds(docs []*spec.Document) error {
	isSource := func(d *spec.Document) bool { return d.Source != nil }
	if !slices.ContainsFunc(docs, isSource) {
		for _, name := range p.ofBackups {
			if p.typed.Changed(name) {
				return fault.New(fault.Usage, "--%s is about a backup, and the input holds no ReplicationSource", name).WithHint("leave it out")
			}
		}
	}
	if p.typed.Changed(takeOwnershipFlag) && !slices.ContainsFunc(docs, func(d *spec.Document) bool { return d.Maintenance != nil }) {
		return fault.New(fault.Usage, "--%s is about a maintenance, and the input holds no KopiaMaintenance", takeOwnershipFlag).WithHint("leave it out")
	}
	return nil
}

// planInTime plans one object within --timeout.
func (p *planFlags) planInTime(ctx context.Context, input *manifests, d *spec.Document, planOne planner) verdict {
	ctx, cancel := p.limited(ctx, "the plan")
	defer cancel()
	return planOne(ctx, input, d).endedBy(ctx).of(operationOf(d), objectRef(d))
}

// A planner plans one object of the input.
type planner func(context.Context, *manifests, *spec.Document) verdict

// planOf plans one object without touching anything. With --connect it asks the
// repository, too, and says how that went.
func (p *planFlags) planOf(ctx context.Context, f *Factory, input *manifests, d *spec.Document) verdict {
	in, err := p.inputOf(ctx, f, input, d)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	built, findings := buildPlan(in)
	if err := refusal(findings); err != nil || !p.connect {
		return plannedVerdict(d.Object(), built, err)
	}
	v := p.ask(ctx, f, in)
	if v.result != nil {
		built.AddProbe(*v.result)
	}
	v.plan = &built
	return v
}

// inputOf is what the plan of one object is made from, with the facts of the
// place where it is to run.
func (p *planFlags) inputOf(ctx context.Context, f *Factory, input *manifests, d *spec.Document) (plan.Input, error) {
	runID := f.NewRunID()
	if p.local.local {
		env, err := p.local.env(f, d, runID, p.sourceOf(d))
		if err != nil {
			return plan.Input{}, err
		}
		facts, err := localFacts(local.StateOf(env.StateDir, objectRef(d)), d)
		return p.input(f, input, d, facts, runID, env), err
	}
	facts, err := p.clusterFacts(ctx, f, d)
	return p.input(f, input, d, facts, runID, nil), err
}

// clusterFacts are the recorded facts, or those of the cluster.
func (p *planFlags) clusterFacts(ctx context.Context, f *Factory, d *spec.Document) (plan.Facts, error) {
	if p.facts == "" {
		c, err := p.target(f)
		if err != nil {
			return plan.Facts{}, err
		}
		return f.observe(ctx, c, d)
	}
	return p.recordedFacts()
}

// recordedFacts are those of --facts.
func (p *planFlags) recordedFacts() (plan.Facts, error) {
	data, err := os.ReadFile(p.facts)
	if err != nil {
		return plan.Facts{}, fault.New(fault.Usage, "--facts %w", plainPath(p.facts, err)).WithHint(readHint(err) + recordHint)
	}
	facts, err := plan.ParseFacts(data)
	if err != nil {
		return plan.Facts{}, fault.New(fault.Invalid, "%w", err).At(p.facts).WithHint("give a file of recorded facts" + recordHint)
	}
	return facts, nil
}

// recordHint says where a file of facts comes from.
const recordHint = "; kubectl volsync-kopia plan facts -f FILE -n NAMESPACE > facts.yaml records one"

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

const scheduleLong = `Print the objects that run the ReplicationSources and KopiaMaintenances of the input by their
spec.trigger.schedule: ServiceAccount, Role, RoleBinding, ConfigMap and CronJob, in this order. There is no controller: the
CronJob runs this program, which does what backup or maintenance does.

The ConfigMap holds the manifest, with nothing else of the input, and the class facts: what lies outside the namespace,
as StorageClasses and VolumeSnapshotClasses, as it is now. So the Role has exactly what a run uses in
its namespace, and no right outside it; it cannot read a Secret. When the manifest or the classes
change, print and apply again.

Flags of a run, as --prove or --timeout, are those of every scheduled run. A policy file that is
unusable ends this command with exit code 3; a scheduled run warns of it and keeps the repository's
policies (--policy-errors=warn), unless --policy-errors=fail is given.

With --apply the objects are applied in place of being printed, in the same order and with the rights
of the caller: who lacks one of those that the Role grants is refused, and an administrator applies what
is printed. Objects of such names that are not of this schedule are never taken over. A schedule that is
suspended stays so.

Nothing is printed or applied when one of several sources is refused.`

const scheduleExamples = `  # Print the objects, and apply them
  kubectl volsync-kopia schedule -f source.yaml -n prod
  kubectl volsync-kopia schedule -f source.yaml -n prod --apply

  # Have an administrator apply them
  kubectl volsync-kopia schedule -f source.yaml -n prod > schedule.yaml
  kubectl apply --server-side -f schedule.yaml

  # At the times of another zone than UTC, for a source that the cluster holds
  kubectl volsync-kopia schedule postgres -n prod --time-zone Europe/Berlin

  # In a pipeline without a cluster, from recorded facts
  kubectl volsync-kopia plan facts -f source.yaml -n prod > facts.yaml
  kubectl volsync-kopia schedule -f source.yaml --facts facts.yaml --mover-image registry.example/mover:1`

// scheduleFlags are the flags as typed.
type scheduleFlags struct {
	planFlags

	timeZone string
	// apply applies the objects in place of printing them; force takes fields that are
	// another manager's.
	apply, force bool
}

// NewScheduleCommand returns the schedule command.
func NewScheduleCommand(f *Factory) *cobra.Command {
	flags := &scheduleFlags{}
	c := &cobra.Command{
		Use:     "schedule (-f FILE... | NAME...)",
		Short:   "Print the CronJob that runs a source or a maintenance by its schedule",
		Long:    scheduleLong + exitCodes(0, 1, 2, 3, 5, 6, 130, 143),
		Example: scheduleExamples,
		RunE: func(c *cobra.Command, names []string) error {
			ctx, cancel := context.WithCancel(c.Context())
			defer cancel()
			return endedBy(ctx, flags.run(ctx, f, names))
		},
	}
	flags.addTo(c)
	c.Flags().BoolVar(&flags.apply, "apply", false, "apply the objects to the cluster, server-side, in place of printing them")
	c.Flags().BoolVar(&flags.force, "force-conflicts", false, "with --apply: take fields that somebody else has set")
	addScheduleVerbs(f, c)
	return c
}

// addTo adds the flags that say which schedules are made, and how.
func (s *scheduleFlags) addTo(c *cobra.Command) {
	s.add(c)
	s.kinds = append(s.kinds, spec.KindKopiaMaintenance)
	c.Flags().StringVar(&s.timeZone, "time-zone", plan.DefaultTimeZone, "what the schedule counts in, by its name in the IANA database")
	for _, elsewhere := range unscheduled() {
		_ = c.Flags().MarkHidden(elsewhere) // they are refused; only a flag that does not exist cannot be hidden
	}
}

// unscheduled are the flags of a run that no schedule can have.
func unscheduled() []string {
	return []string{"local", "repository-dir", "state-dir", "kopia", "source-dir", "run-actions", "detach", "force"}
}

// check refuses what a schedule has no use for.
func (s *scheduleFlags) check(f *Factory) error {
	for _, name := range unscheduled() {
		if s.typed.Changed(name) {
			return fault.New(fault.Usage, "--%s is about a run that somebody starts; a schedule has no use for it", name).
				WithHint("omit it, or use backup")
		}
	}
	if s.force && !s.apply {
		return fault.New(fault.Usage, "--force-conflicts says how the objects are applied: add --apply")
	}
	if slices.Contains([]string{outputTable, outputWide}, s.output) && !s.apply {
		return fault.New(fault.Usage, "--output=%s: a schedule is objects, of which there is no table", s.output).WithHint("omit it for YAML")
	}
	if err := plan.CheckTimeZone(s.timeZone); err != nil {
		return fault.New(fault.Usage, "--time-zone: %w", err).WithHint(timeZoneHint)
	}
	return s.planFlags.check(f)
}

// run prints the schedules of the input, or applies them.
func (s *scheduleFlags) run(ctx context.Context, f *Factory, names []string) error {
	schedules, err := s.build(ctx, f, names)
	if err != nil {
		return err
	}
	if s.apply {
		return f.applySchedules(ctx, schedules, s.force, s.output)
	}
	return f.printSchedules(s.output, schedules)
}

// build makes the schedule of every object of the input, in its order. What is wrong
// with any of them is the error, all at once, and there is none then.
func (s *scheduleFlags) build(ctx context.Context, f *Factory, names []string) ([]plan.Schedule, error) {
	if err := s.check(f); err != nil {
		return nil, err
	}
	if err := s.readNamed(ctx, f, names); err != nil {
		return nil, err
	}
	input, err := f.load(ctx, &s.manifests, s.kopiaVersion)
	if err != nil {
		return nil, err
	}
	docs, err := f.objects(input.set, s.kinds...)
	if err != nil {
		return nil, err
	}
	if err := s.checkKinds(docs); err != nil {
		return nil, err
	}
	var schedules []plan.Schedule
	var refused []error
	for _, d := range docs {
		schedule, err := s.scheduleOf(ctx, f, input, d)
		schedules, refused = append(schedules, schedule), append(refused, err)
	}
	if err := errors.Join(refused...); err != nil {
		return nil, err
	}
	return schedules, nil
}

// scheduleOf makes the schedule of one object, and says what was found about it beside
// what is known of its manifest.
func (s *scheduleFlags) scheduleOf(ctx context.Context, f *Factory, input *manifests, d *spec.Document) (plan.Schedule, error) {
	facts, err := s.clusterFacts(ctx, f, d)
	if err != nil {
		return plan.Schedule{}, err
	}
	in := s.input(f, input, d, facts, f.NewRunID(), nil)
	if !s.typed.Changed("policy-errors") {
		in.Options.PolicyErrors = result.PolicyErrorsWarn
	}
	schedule, findings := plan.BuildSchedule(in, plan.ScheduleOptions{TimeZone: s.timeZone})
	own := slices.DeleteFunc(slices.Clone(findings[len(in.Findings):]), func(p problem.Problem) bool { return p.Severity != problem.Warning })
	if err := f.showFindings(&ui.Report{Version: version.Version, Problems: own}); err != nil {
		return plan.Schedule{}, err
	}
	return schedule, refusal(findings)
}

// printSchedules prints the objects of the schedules: as documents of YAML, or as a List
// in every other format.
func (f *Factory) printSchedules(output string, schedules []plan.Schedule) error {
	var names []string
	var items []any
	for i := range schedules {
		for _, object := range schedules[i].Objects {
			items, names = append(items, map[string]any(object)), append(names, k8s.ResourceName(fmt.Sprint(object["kind"]), object.Name()))
		}
	}
	if output != "" && output != "yaml" {
		return f.printDocument(output, map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, names)
	}
	for _, item := range items {
		text, err := yaml.Marshal(item)
		if err != nil {
			return fmt.Errorf("print the schedule: %w", err)
		}
		if _, err := fmt.Fprintf(f.Streams.Out, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

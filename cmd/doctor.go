package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

const doctorLong = `Check whether this cluster can run the sources and KopiaMaintenances of the input: rights, storage,
snapshot class, image, Pod Security, quota. Every gap is listed at once, each with what to do about it;
nothing is made. Without either, what every run in the namespace needs is checked.

With --print-role one Role a namespace is printed, which is enough for every command there; --for
adds the RoleBinding. Two ClusterRoles follow, both optional and bound to nobody: volsync-kopia makes
facts known that are unknown without it, and volsync-kopia-retain lets a run remove what classes with
the policy Retain would keep. None can read a Secret. Of the cluster only a source given by NAME is
asked for. --schedules adds what schedule --apply and its verbs take: the rights to make CronJobs,
ServiceAccounts, Roles and RoleBindings, though no Role with rights that its maker lacks.`

// doctorFlags are the flags as typed.
type doctorFlags struct {
	planFlags

	printRole bool
	subjects  []string
	// schedules adds the rights of the verbs of schedule to the Role.
	schedules bool
}

// NewDoctorCommand returns the doctor command.
func NewDoctorCommand(f *Factory) *cobra.Command {
	flags := &doctorFlags{}
	c := &cobra.Command{
		Use: "doctor [-f FILE... | NAME...]", Short: "Check whether this cluster can run a source", Long: doctorLong + exitCodes(0, 1, 2, 3, 5, 6, 130, 143),
		Example: `  # Can this cluster run the source?
  kubectl volsync-kopia doctor -f source.yaml -n prod

  # Can it run any at all?
  kubectl volsync-kopia doctor -n prod

  # For a script
  kubectl volsync-kopia doctor postgres -n prod -o json

  # Give a ServiceAccount what it needs (as an administrator)
  kubectl volsync-kopia doctor --print-role --for backup -f source.yaml -n prod | kubectl apply -f -`,
		RunE: func(c *cobra.Command, names []string) error { return flags.run(c.Context(), f, names) },
	}
	flags.add(c)
	flags.kinds = append(flags.kinds, spec.KindKopiaMaintenance)
	c.Flags().BoolVar(&flags.printRole, "print-role", false, "print the Role and the optional ClusterRoles; no cluster is asked, but for a NAME")
	c.Flags().BoolVar(&flags.schedules, "schedules", false, "with --print-role: add the rights of schedule --apply, diff, list, run-now, suspend, resume and delete")
	for _, elsewhere := range []string{"local", "repository-dir", "state-dir", "kopia", "source-dir", "run-actions"} {
		_ = c.Flags().MarkHidden(elsewhere) // they are refused; only a flag that does not exist cannot be hidden
	}
	c.Flags().StringArrayVar(&flags.subjects, "for", nil, "with --print-role: print a RoleBinding too, for a ServiceAccount [NAMESPACE:]NAME, for user:NAME or for group:NAME; may be repeated")
	return c
}

// check refuses what doctor has no use for.
func (d *doctorFlags) check(f *Factory) error {
	if d.local.local {
		return fault.New(fault.Usage, "doctor examines a cluster; --local has none").WithHint("validate checks manifests without a cluster")
	}
	if len(d.subjects) > 0 && !d.printRole {
		return fault.New(fault.Usage, "--for says whom the Role is for: add --print-role")
	}
	if d.schedules && !d.printRole {
		return fault.New(fault.Usage, "--schedules adds rights to the Role: add --print-role")
	}
	return d.planFlags.check(f)
}

// besides are the rights that the flags ask for, beside those of the sources.
func (d *doctorFlags) besides() []plan.Rule {
	rights := plan.HookNeeds(d.options.Exec)
	if d.schedules {
		rights = append(rights, plan.ScheduleNeeds()...)
	}
	return rights
}

func (d *doctorFlags) run(ctx context.Context, f *Factory, names []string) error {
	if err := d.check(f); err != nil {
		return err
	}
	ctx, cancel := d.limited(ctx, "doctor")
	defer cancel()
	return endedBy(ctx, d.diagnose(ctx, f, names))
}

// diagnose examines the sources of the input, or the namespace without any.
func (d *doctorFlags) diagnose(ctx context.Context, f *Factory, names []string) error {
	if err := d.readNamed(ctx, f, names); err != nil {
		return err
	}
	sourceless := len(names) == 0 && d.manifests.empty()
	if sourceless {
		if err := d.takeLeastSource(f); err != nil {
			return err
		}
	}
	input, err := f.load(ctx, &d.manifests, d.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.objects(input.set, d.kinds...)
	if err == nil {
		err = d.checkKinds(docs)
	}
	if err != nil {
		return err
	}
	if d.printRole {
		return printRoles(f.Streams.Out, docs, d.besides(), d.subjects)
	}
	examine := d.examine
	if sourceless {
		examine = d.examineNamespace
	}
	var diagnoses []diagnosis
	for _, doc := range docs {
		found, err := examine(ctx, f, input, doc)
		if err != nil {
			return err
		}
		diagnoses = append(diagnoses, found)
	}
	err = f.reportDiagnoses(d.output, diagnoses)
	if sourceless {
		f.note("-f FILE or NAME checks a source, too: its claims, its way of copying, its policy files.")
	}
	return err
}

// examine plans the source and turns what the plan found into checks.
func (d *doctorFlags) examine(ctx context.Context, f *Factory, input *manifests, doc *spec.Document) (diagnosis, error) {
	facts, err := d.clusterFacts(ctx, f, doc)
	if err != nil {
		return diagnosis{}, err
	}
	checks, err := d.checks(f, input, doc, facts)
	return diagnosis{Object: objectRef(doc), Checks: checks}, err
}

// checks plans the source with the facts.
func (d *doctorFlags) checks(f *Factory, input *manifests, doc *spec.Document, facts plan.Facts) ([]check, error) {
	p, err := d.build(f, input, doc, facts, f.NewRunID(), nil)
	var refused *fault.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	return checksOf(&facts, &p), nil
}

// diagnosis is what was found about one object.
type diagnosis struct {
	Object result.ObjectRef `json:"object"`
	Checks []check          `json:"checks"`
}

// reportDiagnoses prints them; the exit code says whether a check has failed.
func (f *Factory) reportDiagnoses(output string, diagnoses []diagnosis) error {
	all, failed := 0, 0
	for i := range diagnoses {
		for _, c := range diagnoses[i].Checks {
			all++
			if c.Status == checkFailed {
				failed++
			}
		}
	}
	code := fault.OK
	if failed > 0 {
		code = fault.Refused.ExitCode()
	}
	var err error
	if isDocument(output) {
		var names []string
		for i := range diagnoses {
			names = append(names, objectName(diagnoses[i].Object)...)
		}
		err = f.printDocument(output, reportOf(code, diagnoses), names)
	} else {
		err = writeDiagnoses(f.Streams.Out, diagnoses, all, failed)
	}
	if err != nil {
		return fmt.Errorf("print the diagnosis: %w", err)
	}
	return exitWith(code)
}

func writeDiagnoses(w io.Writer, diagnoses []diagnosis, all, failed int) error {
	for i := range diagnoses {
		if _, err := fmt.Fprintln(w, printable.Line(diagnoses[i].Object.String())); err != nil {
			return err
		}
		for _, c := range diagnoses[i].Checks {
			if err := c.write(w); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d failed\n", ui.Count(int64(all), "check"), failed)
	return err
}

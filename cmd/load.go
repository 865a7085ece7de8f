package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// manifestFlags say which manifests a run takes.
type manifestFlags struct {
	inputFlags
	envsubst     bool
	policyErrors string
	// repositoryDir stands in for the repositories of the manifests; empty: they count.
	repositoryDir string
	// live are manifests that were read from the cluster, by name.
	live []spec.Input
}

func (m *manifestFlags) add(c *cobra.Command) {
	m.inputFlags.add(c.Flags())
	c.Flags().BoolVar(&m.envsubst, "envsubst", false, "expand ${VAR}, ${VAR:-x} and ${VAR:=x} from the environment, as Flux does")
	c.Flags().StringVar(&m.policyErrors, "policy-errors", string(result.PolicyErrorsFail),
		`what to do when a policy file is unusable: "fail", or "warn" and keep the repository's policies`)
}

// check refuses flag values that are none of those documented.
func (m *manifestFlags) check() error {
	return oneOf("policy-errors", m.policyErrors, string(result.PolicyErrorsFail), string(result.PolicyErrorsWarn))
}

// manifests are what a run was given, judged.
type manifests struct {
	set      *spec.Set
	problems problem.List
}

// load reads and judges the manifests. Errors and warnings are printed on
// standard error; an error ends the command with exit 3 before anything is done.
func (f *Factory) load(ctx context.Context, m *manifestFlags, kopiaVersion string) (*manifests, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	report := &ui.Report{Version: version.Version}
	inputs := m.live
	if len(m.live) == 0 {
		for input, err := range f.ReadInputs(ctx, m.inputFlags) {
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, input)
		}
	}
	for i := range inputs {
		report.Files = append(report.Files, inputs[i].Name)
	}
	set, found := spec.Parse(inputs, spec.Options{Envsubst: m.envsubst, Lookup: f.LookupEnv})
	found = append(found, validate.Set(set, validate.Options{
		KopiaVersion: kopiaVersion, PolicyErrors: result.PolicyErrorMode(m.policyErrors), RepositoryDir: m.repositoryDir,
	})...)
	found.Sort()
	for i := range found {
		if found[i].Severity != problem.Info {
			report.Problems = append(report.Problems, found[i])
		}
	}
	if err := f.showFindings(report); err != nil {
		return nil, err
	}
	if found.HasErrors() {
		return nil, &invalidError{report: report, object: onlyObject(set)}
	}
	return &manifests{set: set, problems: found}, nil
}

// invalidError is the end of a command whose manifests are invalid. What is wrong
// with them has been printed, unless standard error takes Events.
type invalidError struct {
	report *ui.Report
	// object is the one that the command was for, if there was but one.
	object result.ObjectRef
}

func (e *invalidError) Error() string { return e.report.Summary() + ". Nothing was run." }

// Unwrap says which exit code it is.
func (e *invalidError) Unwrap() error { return fault.New(fault.Invalid, "%s", e.Error()) }

// onlyObject is the source of an input that holds but one, or without sources its only
// KopiaMaintenance.
func onlyObject(set *spec.Set) result.ObjectRef {
	for _, kind := range []string{spec.KindReplicationSource, spec.KindKopiaMaintenance} {
		switch docs := ofKinds(set, kind); len(docs) {
		case 0:
		case 1:
			return objectRef(docs[0])
		default:
			return result.ObjectRef{}
		}
	}
	return result.ObjectRef{}
}

// ofKinds are the input's objects of the kinds, in its order.
func ofKinds(set *spec.Set, kinds ...string) []*spec.Document {
	var docs []*spec.Document
	for _, d := range set.Documents {
		if slices.Contains(kinds, d.Kind()) {
			docs = append(docs, d)
		}
	}
	return docs
}

// nounOf is a word for an object of the kind.
func nounOf(kind string) string {
	if kind == spec.KindKopiaMaintenance {
		return kind
	}
	return "source"
}

// sources returns the ReplicationSources of the input; see objects.
func (f *Factory) sources(set *spec.Set) ([]*spec.Document, error) {
	return f.objects(set, spec.KindReplicationSource)
}

// objects returns the input's objects of the kinds, each with its namespace filled in:
// the object's own, or the one that kubectl's flags and configuration choose. The
// others are left alone.
func (f *Factory) objects(set *spec.Set, kinds ...string) ([]*spec.Document, error) {
	docs := ofKinds(set, kinds...)
	wanted := strings.Join(kinds, " and no ")
	if others := otherKinds(set, kinds); len(docs) == 0 && len(others) > 0 {
		return nil, fault.New(fault.Refused, "the input holds %s and no %s", join(others), wanted).
			WithHint("add the file that holds one with -f" + commandFor(others))
	}
	if len(docs) == 0 {
		return nil, fault.New(fault.Invalid, "the input holds no %s", wanted).WithHint("add the file that holds it with -f")
	}
	namespace, explicit, err := f.chosenNamespace()
	if err != nil {
		return nil, err
	}
	var conflicts []error
	for _, d := range docs {
		meta := d.Metadata()
		switch {
		case meta.Namespace == "":
			meta.Namespace = namespace
		case explicit && meta.Namespace != namespace:
			conflicts = append(conflicts, fault.New(fault.Usage, "-n %s is not the namespace of %s", namespace, d.Object()).
				WithHint("omit -n, or take the namespace out of the manifest"))
		}
	}
	return docs, errors.Join(conflicts...)
}

// otherKinds are the kinds of VolSync that the input holds and the command takes none of.
func otherKinds(set *spec.Set, taken []string) []string {
	var kinds []string
	for _, d := range ofKinds(set, spec.KindReplicationSource, spec.KindReplicationDestination, spec.KindKopiaMaintenance) {
		if !slices.Contains(taken, d.Kind()) && !slices.Contains(kinds, d.Kind()) {
			kinds = append(kinds, d.Kind())
		}
	}
	return kinds
}

// commandFor says which command takes objects of the first of the kinds.
func commandFor(kinds []string) string {
	switch kinds[0] {
	case spec.KindReplicationSource:
		return "; backup runs a ReplicationSource"
	case spec.KindKopiaMaintenance:
		return "; maintenance runs a KopiaMaintenance"
	}
	return ""
}

// oneOf refuses a flag's value that is none of those allowed.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	named := slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return a == "" })
	if len(named) == 1 {
		return fault.New(fault.Usage, "--%s=%s: only %s is known", flag, value, named[0])
	}
	return fault.New(fault.Usage, "--%s=%s is not one of %s", flag, value, join(named))
}

func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

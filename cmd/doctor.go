package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const doctorLong = `Say whether this cluster can run the sources of the input: rights, storage, snapshot class, image,
Pod Security, quota. Every gap is listed at once, each with what to do about it; nothing is made.

With --print-role the Role that is enough for every command is printed instead, and after it the
optional ClusterRole by which facts that would stay unknown become known. Neither reads Secrets.`

// doctorFlags are the flags as typed.
type doctorFlags struct {
	planFlags

	printRole bool
}

// NewDoctorCommand returns the doctor command.
func NewDoctorCommand(f *Factory) *cobra.Command {
	flags := &doctorFlags{}
	c := &cobra.Command{
		Use: "doctor -f FILE...", Short: "Say whether this cluster can run a source", Long: doctorLong, Args: noArguments,
		Example: `  # Can this cluster run the source?
  kubectl volsync-kopia doctor -f source.yaml -n prod

  # Give a ServiceAccount what it needs
  kubectl volsync-kopia doctor --print-role -f source.yaml -n prod | kubectl apply -f -`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return flags.run(c.Context(), f)
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&flags.printRole, "print-role", false, "print the Role and the optional ClusterRole, and ask no cluster")
	return c
}

func (d *doctorFlags) run(ctx context.Context, f *Factory) error {
	input, err := f.load(ctx, &d.manifests, d.kopiaVersion)
	if err != nil {
		return err
	}
	docs, err := f.sources(input.set)
	if err != nil {
		return err
	}
	if d.printRole {
		return printRoles(f.Streams.Out, docs, plan.HookNeeds(d.options.Exec))
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	failed, checks := 0, 0
	for _, doc := range docs {
		found, err := d.examine(ctx, f, c, input, doc)
		if err != nil {
			return err
		}
		fmt.Fprintf(f.Streams.Out, "%s\n", doc.Object())
		for _, check := range found {
			checks++
			if check.word == "FAIL" {
				failed++
			}
			check.write(f.Streams.Out)
		}
	}
	fmt.Fprintf(f.Streams.Out, "%d checks: %d failed\n", checks, failed)
	if failed > 0 {
		return exitWith(fault.Refused.ExitCode())
	}
	return nil
}

// printRoles prints one Role a namespace, and the ClusterRole once. besides are
// rights that no document asks for.
func printRoles(w io.Writer, docs []*spec.Document, besides []plan.Rule) error {
	var documents []any
	done := map[string]bool{}
	for i, d := range docs {
		namespace := d.Metadata().Namespace
		role, cluster := plan.Role(namespace, slices.Concat(plan.QuestionsFor(d, namespace).Rights, besides))
		if !done[namespace] {
			documents = append(documents, role)
		}
		done[namespace] = true
		if i == len(docs)-1 {
			documents = append(documents, cluster)
		}
	}
	for _, document := range documents {
		text, err := yaml.Marshal(document)
		if err != nil {
			return fmt.Errorf("print the role: %w", err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// check is one line of a diagnosis.
type check struct {
	word string // ok, FAIL, warn or info
	text string
	fix  string
}

func (c check) write(w io.Writer) {
	fmt.Fprintf(w, "  %-5s %s\n", c.word, c.text)
	if c.fix != "" {
		fmt.Fprintf(w, "        fix: %s\n", c.fix)
	}
}

// examine plans the source and turns what the plan found into checks.
func (d *doctorFlags) examine(ctx context.Context, f *Factory, c *k8s.Cluster, input *manifests, doc *spec.Document) ([]check, error) {
	facts, err := f.observe(ctx, c, doc)
	if err != nil {
		return nil, err
	}
	p, err := d.build(f, input, doc, facts, f.NewRunID(), nil)
	var refused *fault.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	served := "VolumeSnapshot v1 is served"
	if !facts.SnapshotAPI {
		served = "VolumeSnapshot is not served: copyMethod Snapshot is not possible"
	}
	checks := []check{{"ok", "API server " + facts.ServerVersion + ", " + served, ""}}
	for i := range p.Findings {
		if finding := &p.Findings[i]; strings.HasPrefix(finding.Code, "VK5") {
			checks = append(checks, checkOf(finding))
		}
	}
	if p.Copy != nil {
		checks = append(checks, check{"ok", fmt.Sprintf("claim %s, copied by %s", p.Copy.Claim, p.Copy.Method), ""})
	}
	if !p.Findings.HasErrors() {
		checks = append(checks, check{"ok", "rights, storage, quota", ""})
		checks = append(checks, check{"ok", fmt.Sprintf("Pod Security: the mover fits %q", p.Mover.PodSecurity), ""})
	}
	for _, u := range facts.Unknown {
		checks = append(checks, check{"info", fmt.Sprintf("%s: unknown: %s", u.Fact, u.Reason), ""})
	}
	return append(checks, check{"info", "secret/" + p.Repository.Secret + ": not read (no right is needed); the mover checks its keys before anything is written", ""}), nil
}

func checkOf(p *problem.Problem) check {
	c := check{"info", p.Code + " " + p.Message, p.Fix}
	switch p.Severity {
	case problem.Error:
		c.word = "FAIL"
	case problem.Warning:
		c.word = "warn"
	case problem.Info:
	}
	return c
}

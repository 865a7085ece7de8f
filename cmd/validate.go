package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

const validateLong = `Check manifests without a cluster and without kopia.

Every problem of every file is listed, with its place, its code and what to do about it.
ReplicationSources, ReplicationDestinations and KopiaMaintenances are judged, and with them the
Secrets and ConfigMaps of the same input: policy files, the repository's keys, certificates.
No content of a Secret is printed.`

const validateExamples = `  # Check one manifest
  kubectl volsync-kopia validate -f source.yaml

  # Check all manifests below a directory, with the variables that Flux would expand
  kubectl volsync-kopia validate -f clusters/prod -R --envsubst

  # Check what kustomize builds
  kubectl volsync-kopia validate -k overlays/prod

  # Reports for a pipeline
  kubectl volsync-kopia validate -f . -R --report-sarif volsync.sarif --report-junit volsync.xml`

// validateFlags are the flags as typed.
type validateFlags struct {
	manifestFlags

	output       string
	kopiaVersion string
	reports      []reportFile
}

// reportFile is one --report-* flag.
type reportFile struct {
	flag, usage string
	path        string
	write       func(io.Writer, *ui.Report) error
}

// NewValidateCommand returns the validate command.
func NewValidateCommand(f *Factory) *cobra.Command {
	flags := &validateFlags{reports: []reportFile{
		{flag: "report-sarif", usage: "write a SARIF 2.1.0 report to this file", write: ui.WriteSARIF},
		{flag: "report-junit", usage: "write a JUnit report to this file", write: ui.WriteJUnit},
		{flag: "report-markdown", usage: "write a Markdown report to this file", write: ui.WriteMarkdown},
		{flag: "report-gitlab", usage: "write a GitLab code quality report to this file", write: ui.WriteGitLab},
	}}
	c := &cobra.Command{
		Use:     "validate -f FILE...",
		Short:   "Check manifests offline: no cluster and no kopia is needed",
		Long:    validateLong + exitCodes(0, 1, 2, 3, 130, 143),
		Example: validateExamples,
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return flags.run(c.Context(), f)
		},
	}
	flags.manifestFlags.add(c)
	addOutputFlag(c, &flags.output)
	c.Flags().StringVar(&flags.kopiaVersion, "kopia-version", argv.DefaultVersion, "version of kopia that will run")
	for i := range flags.reports {
		r := &flags.reports[i]
		c.Flags().StringVar(&r.path, r.flag, "", r.usage)
	}
	return c
}

func (v *validateFlags) check() error {
	errs := []error{checkOutput(v.output), checkKopiaVersion(v.kopiaVersion), v.manifestFlags.check()}
	for _, r := range v.reports {
		errs = append(errs, checkReport(r.flag, r.path))
	}
	return errors.Join(errs...)
}

func (v *validateFlags) run(ctx context.Context, f *Factory) error {
	report, err := v.judge(ctx, f)
	if err != nil {
		return err
	}
	if err := v.print(f, report); err != nil {
		return err
	}
	code := fault.OK
	if report.Problems.HasErrors() {
		code = fault.Invalid.ExitCode()
	}
	if err := v.writeReports(report); err != nil { // which could be written when the command began
		fault.Report(f.Streams.ErrOut, err)
		code = fault.Worst(code, fault.CodeOf(err))
	}
	return exitWith(code)
}

// judge reads and judges file by file. Of a file that has been judged, only its
// Secrets, ConfigMaps and references are kept, so that memory does not grow
// with the size of the input; what needs another file is judged at the end.
func (v *validateFlags) judge(ctx context.Context, f *Factory) (*ui.Report, error) {
	report := &ui.Report{Version: version.Version}
	parser := spec.NewParser(spec.Options{Envsubst: v.envsubst, Lookup: f.LookupEnv})
	validator := validate.New(validate.Options{
		KopiaVersion: v.kopiaVersion, PolicyErrors: result.PolicyErrorMode(v.policyErrors),
	})
	var problems problem.List
	for input, err := range f.ReadInputs(ctx, v.inputFlags) {
		if err != nil {
			return nil, err
		}
		report.Files = append(report.Files, input.Name)
		set, found := parser.Parse(input)
		problems = append(problems, found...)
		for _, d := range set.Documents {
			validator.Add(d)
		}
	}
	report.Problems = slices.Concat(problems, parser.Close(), validator.Finish())
	report.Problems.Sort()
	return report, nil
}

// print writes the result to stdout, and what GitHub's runner takes.
func (v *validateFlags) print(f *Factory, report *ui.Report) error {
	var err error
	if isDocument(v.output) {
		err = f.printDocument(v.output, ui.Document(report), report.Files)
	} else {
		err = ui.WriteTable(f.Streams.Out, report)
		if err == nil {
			_, err = fmt.Fprintf(f.Streams.Out, "%s. Nothing was run.\n", report.Summary())
		}
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if f.onGitHub() {
		return githubReports(f, report)
	}
	return nil
}

// writeReports writes the reports that were asked for.
func (v *validateFlags) writeReports(report *ui.Report) error {
	var errs []error
	for _, r := range v.reports {
		if r.path == "" {
			continue
		}
		if err := writeFile(r.path, os.O_TRUNC, func(w io.Writer) error { return r.write(w, report) }); err != nil {
			errs = append(errs, fmt.Errorf("write --%s %w", r.flag, plainPath(r.path, err)))
		}
	}
	return errors.Join(errs...)
}

// githubReports writes annotations, and the summary of the job if it has one.
func githubReports(f *Factory, report *ui.Report) error {
	if err := ui.WriteGitHub(f.Streams.ErrOut, report); err != nil {
		return fmt.Errorf("write the annotations: %w", err)
	}
	f.summarize(func(w io.Writer) error { return ui.WriteMarkdown(w, report) })
	return nil
}

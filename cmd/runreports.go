package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// runReport is a file that a pipeline asks for.
type runReport struct {
	flag, usage string
	write       func(io.Writer, *ui.RunReport) error
}

func runReports() []runReport {
	return []runReport{
		{"report-junit", "write a JUnit report of the runs to this file", ui.WriteRunsJUnit},
		{"report-markdown", "write a Markdown report of the runs to this file", ui.WriteRunsMarkdown},
	}
}

// addRunReports adds the flags of a command whose runs a pipeline may ask reports of.
func addRunReports(c *cobra.Command) {
	for _, r := range runReports() {
		c.Flags().String(r.flag, "", r.usage)
	}
}

// checkRunReports refuses a report that cannot be written, before anything is done.
func (f *Factory) checkRunReports() error {
	var errs []error
	for _, r := range runReports() {
		errs = append(errs, checkReport(r.flag, f.flag(r.flag)))
	}
	return errors.Join(errs...)
}

// checkReport refuses a report that cannot be written; an empty path is none.
func checkReport(flag, path string) error {
	switch path {
	case "":
		return nil
	case stdinArgument:
		return fault.New(fault.Usage, "--%s takes a file; - is none", flag).WithHint("name a file, as ./-")
	}
	if err := tryWriting(path); err != nil {
		return fault.New(fault.Usage, "--%s %w", flag, plainPath(path, err)).
			WithHint("name a file that can be written, in a directory that exists")
	}
	return nil
}

// tryWriting opens the file as a report would, and leaves no file behind. A pipe is
// not opened: its reader would take the end of the trial for the report's.
func tryWriting(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	_, err := os.Lstat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err := appendTo(path, func(io.Writer) error { return nil }); err != nil || !missing {
		return err
	}
	return os.Remove(path)
}

// writeRunReports writes the reports of the verdicts that the command was asked
// for, and those that GitHub's runner takes. A wrong command line is no run.
func (f *Factory) writeRunReports(verdicts []verdict, worst fault.ExitCode) error {
	if f.command == nil || f.command.Flags().Lookup(runReports()[0].flag) == nil || worst == fault.Usage.ExitCode() {
		return nil
	}
	report := f.runReportOf(verdicts, worst)
	if len(report.Runs) == 0 {
		return nil // a dry run
	}
	var errs []error
	for _, r := range runReports() {
		path := f.flag(r.flag)
		if path == "" {
			continue
		}
		if err := writeFile(path, os.O_TRUNC, func(w io.Writer) error { return r.write(w, report) }); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", r.flag, err))
		}
	}
	return errors.Join(append(errs, f.writeGitHub(report))...)
}

// writeGitHub writes annotations, the job's summary and the step's outputs.
// Annotations would be no Events.
func (f *Factory) writeGitHub(report *ui.RunReport) error {
	if !f.onGitHub() {
		return nil
	}
	var errs []error
	if !f.events() {
		errs = append(errs, ui.WriteRunsGitHub(f.Streams.ErrOut, report))
	}
	f.summarize(func(w io.Writer) error { return ui.WriteRunsMarkdown(w, report) })
	const outputs = "GITHUB_OUTPUT"
	if path := f.Getenv(outputs); path != "" {
		if err := appendTo(path, func(w io.Writer) error { return ui.WriteRunsOutputs(w, report) }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", outputs, err))
		}
	}
	return errors.Join(errs...)
}

// summarize adds to the summary of GitHub's job, if it has one. Nothing depends on
// the summary, so that one that cannot be written is no failure.
func (f *Factory) summarize(write func(io.Writer) error) {
	const summary = "GITHUB_STEP_SUMMARY"
	path := f.Getenv(summary)
	if path == "" {
		return
	}
	if err := appendTo(path, write); err != nil {
		f.warning(fmt.Sprintf("the job's summary was not written (%s): %v", summary, plainPath(path, err)))
	}
}

// runReportOf leaves out dry runs.
func (f *Factory) runReportOf(verdicts []verdict, worst fault.ExitCode) *ui.RunReport {
	report := &ui.RunReport{}
	found := false
	for i := range verdicts {
		v := &verdicts[i]
		if v.plan != nil {
			continue
		}
		run := ui.Run{At: v.at}
		if v.started != nil {
			run.Result = result.Result{Object: v.ref, Outcome: ui.Started, Message: v.started.Message, StartTime: v.started.Time, EndTime: v.started.Time}
		} else {
			run.Result = v.document(f.Now())
		}
		report.Operation = v.operation
		report.Runs = append(report.Runs, run)
		if v.code == worst && !found {
			report.Worst, found = len(report.Runs)-1, true
		}
	}
	return report
}

// onGitHub reports whether a GitHub workflow runs the command.
func (f *Factory) onGitHub() bool { return f.Getenv("GITHUB_ACTIONS") == "true" }

func appendTo(path string, write func(io.Writer) error) error {
	return writeFile(path, os.O_APPEND, write)
}

// writeFile writes a report; how is os.O_TRUNC or os.O_APPEND.
func writeFile(path string, how int, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|how, 0o644) //nolint:gosec // a report for others to read, where the user says
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

package ui

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Started is the outcome in a report of a run that goes on without its command.
const Started result.Outcome = "Started"

// Run is how one run ended, for the reports of a pipeline.
type Run struct {
	Result result.Result
	// At is where the manifest stands that it was a run of, if it came from a file.
	At problem.Position
}

// RunReport is how the runs of one command ended.
type RunReport struct {
	Operation result.Operation
	Runs      []Run
	// Worst is the index of the run whose exit code the command ends with.
	Worst int
}

// name is the object, or what stands for it when no run of one could begin.
func (r *Run) name() string {
	if r.Result.Object.Name == "" {
		return "manifests"
	}
	return r.Result.Object.String()
}

// Exit codes of a run that did what it was for: done, and done but for its clean-up.
const (
	exitDone     = 0
	exitLeftover = 8
)

func (r *Run) done() bool { return r.Result.ExitCode == exitDone || r.Result.ExitCode == exitLeftover }

func (r *Run) took() float64 { return r.Result.EndTime.Sub(r.Result.StartTime).Seconds() }

// text is what is to be said of the run besides its outcome.
func (r *Run) text() string {
	lines := []string{r.Result.Message}
	if r.Result.Hint != "" {
		lines = append(lines, "Fix: "+r.Result.Hint)
	}
	for _, w := range r.Result.Warnings {
		lines = append(lines, strings.TrimSpace("Warning: "+w.Code+" "+w.Message))
	}
	for i := range r.Result.Problems {
		lines = append(lines, Sentence(&r.Result.Problems[i]))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// WriteRunsJUnit writes a case a run: failed unless it did what it was for.
func WriteRunsJUnit(w io.Writer, r *RunReport) error {
	suite := junitSuite{Name: string(r.Operation)}
	for i := range r.Runs {
		run := &r.Runs[i]
		c := junitCase{Name: run.name(), ClassName: string(r.Operation), Time: fmt.Sprintf("%.3f", run.took())}
		switch outcome := string(run.Result.Outcome); {
		case !run.done():
			suite.Failures++
			c.Failure = &junitFailure{Type: cmp.Or(run.Result.Reason, outcome), Message: outcome + ": " + run.Result.Message, Text: run.text()}
		case run.Result.Outcome == result.Skipped:
			suite.Skipped++
			c.Skipped = &junitSkipped{Message: run.Result.Message}
		default:
			c.Output = strings.TrimSpace(outcome + "\n" + run.text())
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	return writeJUnit(w, junitSuites{
		Name: "kubectl volsync-kopia " + string(r.Operation), Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite},
	})
}

// writeJUnit writes the document.
func writeJUnit(w io.Writer, all junitSuites) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// WriteRunsMarkdown writes a table with a row a run.
func WriteRunsMarkdown(w io.Writer, r *RunReport) error {
	out := bufio.NewWriter(w)
	failed := 0
	for i := range r.Runs {
		if !r.Runs[i].done() {
			failed++
		}
	}
	fmt.Fprintf(out, "### %s: %s, %d failed\n\n", r.Operation, plural(len(r.Runs), "run"), failed)
	fmt.Fprint(out, "| object | outcome | snapshot | files | size | took | message |\n|---|---|---|---|---|---|---|\n")
	for i := range r.Runs {
		run := &r.Runs[i]
		id, files, size := "", "", ""
		if s := run.Result.Snapshot; s != nil {
			id, files, size = s.ID, humanize.Comma(s.Files), Bytes(s.Size)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s |\n", markdown(run.name()), markdown(string(run.Result.Outcome)), markdown(id), files, size,
			Took(run.Result.EndTime.Sub(run.Result.StartTime)), markdown(run.text()))
	}
	fmt.Fprintln(out)
	return out.Flush()
}

// WriteRunsGitHub writes an annotation for each run that failed, and for each
// warning of one that did not. What is wrong with manifests is annotated where it
// is found.
func WriteRunsGitHub(w io.Writer, r *RunReport) error {
	out := bufio.NewWriter(w)
	for i := range r.Runs {
		run := &r.Runs[i]
		var properties []string
		if run.At.File != "" {
			properties = append(properties, "file="+escapeProperty(run.At.File), fmt.Sprintf("line=%d", max(run.At.Line, 1)))
		}
		place := strings.Join(append(properties, "title="+escapeProperty(run.name())), ",")
		if !run.done() && run.Result.Problems == nil {
			text := string(run.Result.Outcome) + ": " + run.Result.Message
			if run.Result.Hint != "" {
				text += "\nFix: " + run.Result.Hint
			}
			fmt.Fprintf(out, "::error %s::%s\n", place, escapeData(text))
		}
		for _, warning := range run.Result.Warnings {
			fmt.Fprintf(out, "::warning %s::%s\n", place, escapeData(strings.TrimSpace(warning.Code+" "+warning.Message)))
		}
	}
	return out.Flush()
}

// WriteRunsOutputs writes the outputs of a GitHub step: the outcome that the exit
// code stands for, and the ids of the snapshots in the order of the input.
func WriteRunsOutputs(w io.Writer, r *RunReport) error {
	var ids []string
	for i := range r.Runs {
		if s := r.Runs[i].Result.Snapshot; s != nil && s.ID != "" {
			ids = append(ids, s.ID)
		}
	}
	_, err := fmt.Fprintf(w, "outcome=%s\nsnapshot-id=%s\n", printable.Line(string(r.Runs[r.Worst].Result.Outcome)), printable.Line(strings.Join(ids, " ")))
	return err
}

package ui

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// sampleRuns has a run of each sort that a report tells apart.
func sampleRuns() *RunReport {
	begin := time.Date(2026, 11, 22, 21, 5, 0, 0, time.UTC)
	run := func(name string, outcome result.Outcome, code int) Run {
		return Run{
			At: problem.Position{File: name + ",1.yaml", Line: 3},
			Result: result.Result{
				Object:  result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: name},
				Outcome: outcome, ExitCode: code, StartTime: begin, EndTime: begin.Add(1500 * time.Millisecond),
			},
		}
	}
	good, warned, left := run("good", result.Succeeded, 0), run("warned", result.SucceededWithWarnings, 0), run("left", result.Succeeded, 8)
	good.Result.Snapshot = &result.Snapshot{ID: "aaaa", Files: 31204, Size: 19_200_000_000}
	warned.Result.Snapshot = &result.Snapshot{ID: "bbbb"}
	warned.Result.Warnings = []result.Warning{{Code: "VK514", Message: "100% full\nnearly"}}
	bad, skipped := run("bad", result.Incomplete, 4), run("skipped", result.Skipped, 0)
	bad.Result.Message, bad.Result.Hint, bad.Result.Reason = "2 files|missing", "read *them*", "FilesMissed"
	skipped.Result.Message = "the tag was served"
	invalid := Run{Result: result.Result{Outcome: result.Refused, ExitCode: 3, Reason: "Invalid", Message: "1 error", Problems: problem.List{
		{Code: "VK123", Severity: problem.Error, Position: problem.Position{File: "x.yaml", Line: 6, Column: 3}, Message: "no repository"},
	}}}
	return &RunReport{Operation: result.OperationBackup, Runs: []Run{good, warned, left, bad, skipped, invalid}, Worst: 3}
}

func writeRuns(t *testing.T, f func(io.Writer, *RunReport) error) string {
	t.Helper()
	var b strings.Builder
	if err := f(&b, sampleRuns()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJUnitOfRunsHasACaseARun(t *testing.T) {
	t.Parallel()
	text := writeRuns(t, WriteRunsJUnit)
	var got junitSuites
	if err := xml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Suites[0]
	if got.Tests != 6 || got.Failures != 2 || s.Tests != 6 || s.Failures != 2 || s.Skipped != 1 {
		t.Errorf("counts: %s", text)
	}
	var shown []string
	for _, c := range s.Cases {
		line := c.Name + " " + c.Time
		if c.Failure != nil {
			line += " failed " + c.Failure.Type + ": " + c.Failure.Message
		}
		if c.Skipped != nil {
			line += " skipped " + c.Skipped.Message
		}
		shown = append(shown, line)
	}
	want := []string{
		"ReplicationSource prod/good 1.500", "ReplicationSource prod/warned 1.500", "ReplicationSource prod/left 1.500",
		"ReplicationSource prod/bad 1.500 failed FilesMissed: Incomplete: 2 files|missing",
		"ReplicationSource prod/skipped 1.500 skipped the tag was served", "manifests 0.000 failed Invalid: Refused: 1 error",
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(text, "x.yaml:6:3: no repository") || !strings.Contains(text, "Fix: read *them*") {
		t.Errorf("texts: %s", text)
	}
}

func TestMarkdownOfRunsIsOneTable(t *testing.T) {
	t.Parallel()
	want := `### backup: 6 runs, 2 failed

| object | outcome | snapshot | files | size | took | message |
|---|---|---|---|---|---|---|
| ReplicationSource prod/good | Succeeded | aaaa | 31,204 | 19 GB | 1.5s |  |
| ReplicationSource prod/warned | SucceededWithWarnings | bbbb | 0 | 0 B | 1.5s | Warning: VK514 100% full nearly |
| ReplicationSource prod/left | Succeeded |  |  |  | 1.5s |  |
| ReplicationSource prod/bad | Incomplete |  |  |  | 1.5s | 2 files\|missing Fix: read \*them\* |
| ReplicationSource prod/skipped | Skipped |  |  |  | 1.5s | the tag was served |
| manifests | Refused |  |  |  | 0.0s | 1 error x.yaml:6:3: no repository |

`
	if diff := cmp.Diff(want, writeRuns(t, WriteRunsMarkdown)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGitHubIsToldOfFailuresAndWarnings(t *testing.T) {
	t.Parallel()
	want := `::warning file=warned%2C1.yaml,line=3,title=ReplicationSource prod/warned::VK514 100%25 full%0Anearly
::error file=bad%2C1.yaml,line=3,title=ReplicationSource prod/bad::Incomplete: 2 files|missing%0AFix: read *them*
`
	if diff := cmp.Diff(want, writeRuns(t, WriteRunsGitHub)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("outcome=Incomplete\nsnapshot-id=aaaa bbbb\n", writeRuns(t, WriteRunsOutputs)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// The message of a run names files that somebody else may have named.
func TestTheReportsOfRunsArePrintable(t *testing.T) {
	t.Parallel()
	const hostile = "x\x1b[2J\u202e"
	r := &RunReport{Operation: result.OperationBackup, Runs: []Run{{Result: result.Result{
		Outcome: hostile + "\nFORGED=1", ExitCode: 4, Message: hostile, Hint: hostile,
		Warnings: []result.Warning{{Message: hostile}}, Snapshot: &result.Snapshot{ID: "id\nFORGED=1"},
	}}}}
	for form, c := range map[string]struct {
		write func(io.Writer, *RunReport) error
		times int
	}{
		"Markdown": {WriteRunsMarkdown, 4}, "GitHub": {WriteRunsGitHub, 4}, "outputs": {WriteRunsOutputs, 1},
	} {
		var b strings.Builder
		if err := c.write(&b, r); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if n := strings.Count(got, `\u202e`); strings.ContainsAny(got, "\x1b\u202e") || n != c.times || strings.Contains(got, "\nFORGED") {
			t.Errorf("%s shows it %d times, want %d: %q", form, n, c.times, got)
		}
	}
}

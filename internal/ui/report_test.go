package ui

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

func sample() *Report {
	return &Report{
		Version: "1.2.3",
		Files:   []string{"source.yaml", "policies.yaml", "fine.yaml"},
		Problems: problem.List{
			{
				Code: "VK308", Severity: problem.Warning, Position: problem.Position{File: "policies.yaml", Line: 9, Column: 24},
				Object: "ConfigMap prod/policies", Path: "global-policy.json /compression/compressionLevel", Message: "kopia has no levels", Fix: "remove the level",
			},
			{
				Code: "VK203", Severity: problem.Error, Position: problem.Position{File: "source.yaml", Line: 19, Column: 11},
				Object: "ReplicationSource prod/app", Path: "spec.kopia.additionalArgs[1]", Message: `"--block-sise=4MB" is 100% unknown`, Fix: "correct it",
			},
			{
				Code: "VK205", Severity: problem.Info, Position: problem.Position{File: "source.yaml", Line: 23, Column: 18},
				Object: "ReplicationSource prod/app", Path: "spec.kopia.additionalArgs[4]", Message: "applied as a policy", Fix: "not shown",
			},
			{Code: "VK103", Severity: problem.Error, Position: problem.Position{File: "z, odd:name%.yaml"}, Message: "nothing\nhere"},
		},
	}
}

func write(t *testing.T, f func(io.Writer, *Report) error, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func document(t *testing.T, r *Report) string {
	t.Helper()
	return write(t, func(w io.Writer, r *Report) error { return encode(w, Document(r)) }, r)
}

func TestTableShowsPlaceSeverityCodeAndFix(t *testing.T) {
	t.Parallel()
	want := `policies.yaml:9:24 warning  VK308  global-policy.json /compression/compressionLevel: kopia has no levels
                   fix: remove the level
source.yaml:19:11  error    VK203  additionalArgs[1]: "--block-sise=4MB" is 100% unknown
                   fix: correct it
source.yaml:23:18  info     VK205  additionalArgs[4]: applied as a policy
z, odd:name%.yaml  error    VK103  nothing\nhere

`
	if diff := cmp.Diff(want, write(t, WriteTable, sample())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSummaryCountsErrorsAndWarnings(t *testing.T) {
	t.Parallel()
	one := problem.List{{Severity: problem.Error}}
	for want, r := range map[string]*Report{
		"2 errors, 1 warning in 3 files": sample(),
		"no problems in 0 files":         {},
		"no problems in 1 file":          {Files: []string{"a"}, Problems: problem.List{{Severity: problem.Info}}},
		"1 error in 1 file":              {Files: []string{"a"}, Problems: one},
		"no problems in 10,000 files":    {Files: make([]string, 10000)},
	} {
		if got := r.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestJSONIsOneReportWithAListAlsoWhenEmpty(t *testing.T) {
	t.Parallel()
	var got struct {
		APIVersion, Kind string
		Summary          map[string]int
		Problems         []map[string]any
	}
	if err := json.Unmarshal([]byte(document(t, sample())), &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "volsync-kopia/v1" || got.Kind != "Report" || len(got.Problems) != 4 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(map[string]int{"errors": 2, "warnings": 1, "infos": 1, "files": 3}, got.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if got.Problems[1]["file"] != "source.yaml" || got.Problems[1]["line"] != float64(19) {
		t.Errorf("problem %v", got.Problems[1])
	}
	if empty := document(t, &Report{}); !strings.Contains(empty, `"problems": []`) {
		t.Errorf("got %s", empty)
	}
}

// The fields that section 3 of the SARIF 2.1.0 standard requires, and those that
// code hosts refuse a log without.
func TestSARIFHasTheRequiredFields(t *testing.T) {
	t.Parallel()
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                   string
						ShortDescription     struct{ Text string }
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			ColumnKind string
			Results    []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine, StartColumn int }
					}
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(write(t, WriteSARIF, sample())), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || log.Schema == "" || len(log.Runs) != 1 {
		t.Fatalf("got %+v", log)
	}
	run := log.Runs[0]
	if run.Tool.Driver.Name == "" || run.ColumnKind != "unicodeCodePoints" || len(run.Results) != 4 {
		t.Errorf("got %+v", run)
	}
	for _, rule := range run.Tool.Driver.Rules {
		if rule.ShortDescription.Text == "" || rule.DefaultConfiguration.Level == "" {
			t.Errorf("rule %+v", rule)
		}
	}
	var levels, places []string
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Message.Text == "" || r.PartialFingerprints["problem/v1"] == "" {
			t.Errorf("result %+v", r)
		}
		levels = append(levels, r.Level)
		places = append(places, r.Locations[0].PhysicalLocation.ArtifactLocation.URI)
		if region := r.Locations[0].PhysicalLocation.Region; region != nil && region.StartLine < 1 {
			t.Errorf("region %+v", region)
		}
	}
	if diff := cmp.Diff([]string{"warning", "error", "note", "error"}, levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"policies.yaml", "source.yaml", "source.yaml", "./z,%20odd:name%25.yaml"}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestJUnitCountsWhatItHolds(t *testing.T) {
	t.Parallel()
	var got junitSuites
	if err := xml.Unmarshal([]byte(write(t, WriteJUnit, sample())), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	tests, failures := 0, 0
	for _, s := range got.Suites {
		inSuite := 0
		for _, c := range s.Cases {
			names = append(names, s.Name+" / "+c.Name)
			if c.Failure != nil {
				inSuite++
				if c.Failure.Type == "" || c.Failure.Message == "" {
					t.Errorf("failure %+v", c.Failure)
				}
			}
		}
		if inSuite != s.Failures || len(s.Cases) != s.Tests {
			t.Errorf("suite %s says %d of %d, holds %d of %d", s.Name, s.Failures, s.Tests, inSuite, len(s.Cases))
		}
		tests, failures = tests+s.Tests, failures+s.Failures
	}
	if got.Tests != tests || got.Failures != failures || failures != 2 {
		t.Errorf("says %d of %d, holds %d of %d", got.Failures, got.Tests, failures, tests)
	}
	want := []string{
		"source.yaml / VK203 source.yaml:19:11 additionalArgs[1]", "source.yaml / remarks", "policies.yaml / valid",
		"fine.yaml / valid", "z, odd:name%.yaml / VK103 z, odd:name%.yaml",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("cases (-want +got):\n%s", diff)
	}
}

func TestGitHubAnnotationsCannotBeBrokenOutOf(t *testing.T) {
	t.Parallel()
	want := `::warning file=policies.yaml,line=9,col=24,title=VK308::global-policy.json /compression/compressionLevel: kopia has no levels%0AFix: remove the level
::error file=source.yaml,line=19,col=11,title=VK203::additionalArgs[1]: "--block-sise=4MB" is 100%25 unknown%0AFix: correct it
::notice file=source.yaml,line=23,col=18,title=VK205::additionalArgs[4]: applied as a policy%0AFix: not shown
::error file=z%2C odd%3Aname%25.yaml,title=VK103::nothing%0Ahere
`
	if diff := cmp.Diff(want, write(t, WriteGitHub, sample())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGitLabFingerprintsDifferAndSurviveAMove(t *testing.T) {
	t.Parallel()
	read := func(r *Report) (issues []gitlabIssue) {
		if err := json.Unmarshal([]byte(write(t, WriteGitLab, r)), &issues); err != nil {
			t.Fatal(err)
		}
		return issues
	}
	moved := sample()
	for i := range moved.Problems {
		moved.Problems[i].Line += 7
	}
	before, after := read(sample()), read(moved)
	seen := map[string]bool{}
	for i := range before {
		if before[i].Fingerprint != after[i].Fingerprint || seen[before[i].Fingerprint] {
			t.Errorf("fingerprint of issue %d: %s, moved %s", i, before[i].Fingerprint, after[i].Fingerprint)
		}
		seen[before[i].Fingerprint] = true
		if before[i].Location.Lines.Begin < 1 || before[i].Severity == "" || before[i].Description == "" {
			t.Errorf("issue %+v", before[i])
		}
	}
	if got := write(t, WriteGitLab, &Report{}); strings.TrimSpace(got) != "[]" {
		t.Errorf("no problems: %s", got)
	}
}

func TestMarkdownKeepsTextInsideItsCell(t *testing.T) {
	t.Parallel()
	r := &Report{Files: []string{"a.yaml"}, Problems: problem.List{{
		Code: "VK1", Severity: problem.Error, Position: problem.Position{File: "a.yaml", Line: 1}, Message: "a | b\n`c` <d> [e](f)", Fix: "g_h",
	}}}
	want := "### validate: 1 error in 1 file\n\n| place | severity | code | finding | fix |\n|---|---|---|---|---|\n" +
		"| a.yaml:1 | error | VK1 | a \\| b \\`c\\` &lt;d&gt; \\[e\\](f) | g\\_h |\n"
	if diff := cmp.Diff(want, write(t, WriteMarkdown, r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCountSaysOneInTheSingular(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 files", 1: "1 file", 2: "2 files", 31204: "31,204 files"} {
		if got := Count(n, "file"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// No form for people acts upon what a manifest says, and a name is one line.
func TestTheFormsForPeopleArePrintable(t *testing.T) {
	t.Parallel()
	const hostile = "x\x1b[2J\n::error::\u202ey"
	r := &Report{Problems: problem.List{{
		Code: "VK166", Severity: problem.Error, Position: problem.Position{File: hostile + ".yaml", Line: 1}, Path: "spec." + hostile, Message: hostile, Fix: hostile,
	}}}
	for form, c := range map[string]struct {
		write func(io.Writer, *Report) error
		want  string
	}{
		"table":    {WriteTable, `x\x1b[2J\n::error::\u202ey.yaml:1 error    VK166  x\x1b[2J\n::error::\u202ey: x\x1b[2J\n::error::\u202ey` + "\n"},
		"Markdown": {WriteMarkdown, `| x\\x1b\[2J \\x3a:error::\\u202ey.yaml:1 | error | VK166 | x\\x1b\[2J \\x3a:error::\\u202ey: x`},
		"GitHub":   {WriteGitHub, `title=VK166::x\x1b[2J%0A\x3a:error::\u202ey: x\x1b[2J%0A`},
	} {
		got := write(t, c.write, r)
		if strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in\n%q", form, c.want, got)
		}
	}
}

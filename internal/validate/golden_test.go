package validate_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	invalidCases = "../../testdata/invalid/validate"
	validCases   = "../../testdata/valid"
	goldenName   = "problems.txt"
	canary       = "do-not-print-me"
)

// judgeDir judges the *.yaml of a directory as the command does: one file after
// the other.
func judgeDir(t *testing.T, dir string, opts validate.Options) *ui.Report {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.yaml in %s (%v)", dir, err)
	}
	report := &ui.Report{}
	parser := spec.NewParser(spec.Options{})
	validator := validate.New(opts)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		set, problems := parser.Parse(spec.Input{Name: name, Data: data})
		report.Files = append(report.Files, name)
		report.Problems = append(report.Problems, problems...)
		for _, d := range set.Documents {
			validator.Add(d)
		}
	}
	report.Problems = append(report.Problems, parser.Close()...)
	report.Problems = append(report.Problems, validator.Finish()...)
	report.Problems.Sort()
	return report
}

func cases(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			t.Errorf("%s/%s belongs to no case", root, e.Name())
			continue
		}
		names = append(names, e.Name())
	}
	return names
}

func TestInvalidCasesGiveExactlyTheirProblems(t *testing.T) {
	t.Parallel()
	for _, name := range cases(t, invalidCases) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(invalidCases, name)
			report := judgeDir(t, dir, validate.Options{})
			if !report.Problems.HasErrors() {
				t.Error("the case has no error; it belongs to the valid ones")
			}
			var got bytes.Buffer
			if err := ui.WriteTable(&got, report); err != nil {
				t.Fatal(err)
			}
			got.WriteString(report.Summary() + "\n")
			if strings.Contains(got.String(), canary) {
				t.Errorf("content of a Secret is printed:\n%s", got.String())
			}
			compareGolden(t, filepath.Join(dir, goldenName), got.Bytes())
		})
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func TestValidCasesGiveNoProblem(t *testing.T) {
	t.Parallel()
	for _, name := range cases(t, validCases) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := judgeDir(t, filepath.Join(validCases, name), validate.Options{})
			if diff := cmp.Diff(problem.List(nil), report.Problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// Each problem is documented, and no rule is worse than its documentation says.
func TestEveryProblemOfTheCasesIsDocumented(t *testing.T) {
	t.Parallel()
	rank := []problem.Severity{problem.Error, problem.Warning, problem.Info}
	for _, name := range cases(t, invalidCases) {
		for _, p := range judgeDir(t, filepath.Join(invalidCases, name), validate.Options{}).Problems {
			code, ok := problem.Lookup(p.Code)
			switch {
			case !ok:
				t.Errorf("%s: %s is not documented: %s", name, p.Code, p.Message)
			case slices.Index(rank, p.Severity) < slices.Index(rank, code.Severity):
				t.Errorf("%s: %s is a %s, and its documentation says %s", name, p.Code, p.Severity, code.Severity)
			case p.File == "" || p.Line == 0 || p.Object == "" || p.Message == "":
				t.Errorf("%s: incomplete problem %+v", name, p)
			case p.Severity != problem.Info && p.Fix == "":
				t.Errorf("%s: %s has no fix: %s", name, p.Code, p.Message)
			}
		}
	}
}

func TestPolicyErrorsBecomeWarningsWhereTheRunGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(invalidCases, "policy-secret")
	report := judgeDir(t, dir, validate.Options{PolicyErrors: "warn"})
	if report.Problems.HasErrors() || report.Problems.Count(problem.Warning) == 0 {
		t.Errorf("want warnings and no error, got %+v", report.Problems)
	}
}

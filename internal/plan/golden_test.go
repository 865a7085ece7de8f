package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	goldenDir = "../../testdata/golden"
	// canary stands in every secret of the cases and must never come out.
	canary = "CANARY-hunter2"
)

// caseOptions is options.yaml: what differs from the documented defaults.
type caseOptions struct {
	Env     plan.Env     `json:"env"`
	Options plan.Options `json:"options"`
}

// loadCase reads a golden folder as plan's input, with the findings that the
// commands come with.
func loadCase(t *testing.T, dir string) plan.Input {
	t.Helper()
	manifest := readFile(t, filepath.Join(dir, "manifest.yaml"))
	set, problems := spec.Parse([]spec.Input{{Name: "manifest.yaml", Data: manifest}}, spec.Options{})
	objects := slices.DeleteFunc(slices.Clone(set.Documents), func(d *spec.Document) bool { return d.Source == nil && d.Maintenance == nil })
	if problems.HasErrors() || len(objects) != 1 {
		t.Fatalf("%s: want one object to run without errors, found %d and %v", dir, len(objects), problems)
	}
	facts, err := plan.ParseFacts(readFile(t, filepath.Join(dir, "facts.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	custom := caseOptions{Options: plan.DefaultOptions()}
	defaults := readFile(t, filepath.Join(goldenDir, "env.yaml"))
	if err := yaml.UnmarshalStrict(defaults, &custom); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "options.yaml")); err == nil {
		if err := yaml.UnmarshalStrict(data, &custom); err != nil {
			t.Fatal(err)
		}
	}
	problems = append(problems, validate.Set(set, validate.Options{
		KopiaVersion: custom.Env.KopiaVersion, PolicyErrors: custom.Options.PolicyErrors,
	})...)
	problems.Sort()
	return plan.Input{
		Set: set, Document: objects[0], Facts: facts,
		Env: custom.Env, Options: custom.Options, Findings: problems,
	}
}

// build plans the case's object, whatever its kind.
func build(in plan.Input) (plan.Plan, problem.List) {
	if in.Document.Maintenance != nil {
		return plan.BuildMaintenance(in)
	}
	return plan.BuildBackup(in)
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goldenCases(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	var cases []string
	for _, e := range entries {
		if e.IsDir() {
			cases = append(cases, e.Name())
		}
	}
	if len(cases) == 0 {
		t.Fatal("no golden cases")
	}
	return cases
}

func TestGoldenPlans(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(goldenDir, name)
			p, findings := build(loadCase(t, dir))
			if diff := cmp.Diff(p.Findings, findings); diff != "" {
				t.Errorf("the returned list is not the plan's (-plan +returned):\n%s", diff)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "probe.yaml")); err == nil {
				var answer result.Result
				if err := yaml.UnmarshalStrict(data, &answer); err != nil {
					t.Fatal(err)
				}
				p.AddProbe(answer)
			}
			var text bytes.Buffer
			if err := p.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			data, err := p.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "plan.txt"), text.Bytes())
			golden(t, filepath.Join(dir, "plan.json"), data)
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if bytes.Contains(got, []byte(canary)) {
		t.Errorf("%s would hold a secret", file)
	}
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(readFile(t, file)), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestGoldenFoldersHoldNothingElse(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"manifest.yaml": true, "facts.yaml": true, "options.yaml": true, "probe.yaml": true, "plan.txt": true, "plan.json": true, "schedule.yaml": true}
	for _, name := range goldenCases(t) {
		entries, err := os.ReadDir(filepath.Join(goldenDir, name))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, e := range entries {
			if !known[e.Name()] {
				t.Errorf("%s/%s is read by no test", name, e.Name())
			}
			found[e.Name()] = true
		}
		for _, need := range []string{"manifest.yaml", "facts.yaml", "plan.txt", "plan.json"} {
			if !found[need] && !*update {
				t.Errorf("%s lacks %s", name, need)
			}
		}
	}
}

func TestTheCanaryIsInTheCases(t *testing.T) {
	t.Parallel()
	count := 0
	for _, name := range goldenCases(t) {
		count += strings.Count(string(readFile(t, filepath.Join(goldenDir, name, "manifest.yaml"))), canary)
	}
	if count < 3 {
		t.Errorf("the canary is in the manifests %d times: the search for it in the plans proves little", count)
	}
}

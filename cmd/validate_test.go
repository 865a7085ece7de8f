package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const validateGood = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: good, namespace: prod}
spec:
  sourcePVC: data
  kopia: {repository: kopia-config}
`

const validateBad = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: bad, namespace: prod}
spec:
  sourcePVC: ${CLAIM}
  kopia:
    repository: kopia-config
    sourcePath: /data/x
    policyConfig: {configMapName: policies}
`

const validateBadPolicies = `apiVersion: v1
kind: ConfigMap
metadata: {name: policies, namespace: prod}
data:
  global-policy.json: |
    {oops
`

// validateOutcome is what a command line leaves behind.
type validateOutcome struct {
	code        fault.ExitCode
	out, errOut string
}

// validateWith runs the command with an environment and standard input.
func validateWith(env map[string]string, stdin string, args ...string) validateOutcome {
	streams, in, out, errOut := genericiooptions.NewTestIOStreams()
	in.WriteString(stdin)
	f := NewFactory(streams)
	f.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	code := Main(context.Background(), f, append([]string{"validate"}, args...))
	return validateOutcome{code, out.String(), errOut.String()}
}

func writeInputs(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestValidateSaysThatAllIsWell(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{"good.yaml": validateGood})
	got := validateWith(nil, "", "-f", filepath.Join(dir, "good.yaml"))
	want := validateOutcome{0, "no problems in 1 file. Nothing was run.\n", ""}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestValidateListsEveryProblemOfEveryFileAndExits3(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{"a-source.yaml": validateBad, "b-policies.yaml": validateBadPolicies})
	got := validateWith(map[string]string{"CLAIM": "My_Claim"}, "", "-f", dir, "--envsubst")
	if got.code != 3 || got.errOut != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.errOut)
	}
	for _, part := range []string{
		"a-source.yaml:5:14", "VK166", `"My_Claim" is not a name`, "VK125", "b-policies.yaml:6:6", "VK301",
		"\n2 errors, 1 warning in 2 files. Nothing was run.\n",
	} {
		if !strings.Contains(got.out, part) {
			t.Errorf("%q is missing in:\n%s", part, got.out)
		}
	}
}

func TestValidateReadsStandardInputAndKeepsPolicyErrorsAsWarnings(t *testing.T) {
	t.Parallel()
	input := strings.ReplaceAll(validateBad, "${CLAIM}", "data") + "---\n" + validateBadPolicies
	got := validateWith(nil, input, "-f", "-", "--policy-errors=warn")
	if got.code != 0 || !strings.Contains(got.out, "<stdin>:") || !strings.Contains(got.out, "2 warnings in 1 file") {
		t.Errorf("got %+v", got)
	}
}

func TestValidateJSONIsAllOfStdout(t *testing.T) {
	t.Parallel()
	got := validateWith(map[string]string{"GITHUB_ACTIONS": "true"}, validateBad, "-f", "-", "-o", "json")
	var report struct {
		Kind     string
		Summary  struct{ Errors, Warnings, Files int }
		Problems []struct{ Code, File string }
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil {
		t.Fatalf("%v in %s", err, got.out)
	}
	if got.code != 3 || report.Kind != "Report" || report.Summary.Errors == 0 || len(report.Problems) < report.Summary.Errors {
		t.Errorf("exit %d, %+v", got.code, report)
	}
	if !strings.HasPrefix(got.errOut, "::error file=<stdin>,line=5,") {
		t.Errorf("annotations: %s", got.errOut)
	}
}

func TestValidateWritesReports(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{"bad.yaml": validateBad, "summary.md": "before\n"})
	at := func(name string) string { return filepath.Join(dir, name) }
	got := validateWith(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": at("summary.md")}, "",
		"-f", at("bad.yaml"), "--report-sarif", at("r.sarif"), "--report-junit", at("r.xml"),
		"--report-markdown", at("r.md"), "--report-gitlab", at("r.json"))
	if got.code != 3 {
		t.Errorf("exit %d: %s", got.code, got.errOut)
	}
	for name, part := range map[string]string{
		"r.sarif": `"version": "2.1.0"`, "r.xml": "<testsuites ", "r.md": "### validate: 1 error", "r.json": `"check_name": "VK166"`, "summary.md": "before\n### validate",
	} {
		data, err := os.ReadFile(at(name))
		if err != nil || !bytes.Contains(data, []byte(part)) {
			t.Errorf("%s has no %q (%v): %s", name, part, err, data)
		}
	}
}

func TestValidateRefusesAWrongCommandLineWithExit2(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	good := filepath.Join(writeInputs(t, map[string]string{"good.yaml": validateGood}), "good.yaml")
	for sentence, c := range map[string]struct {
		args []string
		want string
	}{
		"no input":               {nil, "no input is given"},
		"unknown output":         {[]string{"-f", good, "-o", "xml"}, "--output=xml is not one of table, wide, json, yaml"},
		"unknown policy errors":  {[]string{"-f", good, "--policy-errors", "skip"}, "--policy-errors=skip is not one of fail and warn"},
		"missing file":           {[]string{"-f", good, "-f", "no/such.yaml"}, "no/such.yaml: no such file"},
		"directory without file": {[]string{"-f", empty}, "has no *.yaml"},
		"a URL of another kind":  {[]string{"-f", "ftp://example.com/a.yaml"}, "only http and https URLs can be read"},
		"an argument":            {[]string{good}, "takes no arguments"},
		"an unwritable report":   {[]string{"-f", good, "--report-sarif", filepath.Join(empty, "no", "r")}, "--report-sarif"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got := validateWith(nil, "", c.args...)
			if got.code != 2 || !strings.Contains(got.errOut, c.want) {
				t.Errorf("exit %d, stderr %q, want 2 and %q", got.code, got.errOut, c.want)
			}
		})
	}
}

func TestReadInputsReadsEachFileOnceInOrder(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{
		"b.yaml": "b", "a.yml": "a", "c.JSON": "c", "ignored.txt": "x", "sub/d.yaml": "d", "sub/deep/e.yaml": "e",
	})
	for sentence, c := range map[string]struct {
		paths     []string
		recursive bool
		want      string
	}{
		"a directory alone":              {[]string{dir}, false, "a b c"},
		"a directory and all below":      {[]string{dir}, true, "a b c d e"},
		"a file before its directory":    {[]string{filepath.Join(dir, "b.yaml"), dir}, false, "b a c"},
		"a file of any name, when named": {[]string{filepath.Join(dir, "ignored.txt")}, false, "x"},
		"standard input, once":           {[]string{"-", filepath.Join(dir, "b.yaml"), "-"}, false, "stdin b"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			streams, in, _, _ := genericiooptions.NewTestIOStreams()
			in.WriteString("stdin")
			var got []string
			for input, err := range NewFactory(streams).ReadInputs(t.Context(), inputFlags{files: c.paths, recursive: c.recursive}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(input.Data))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadInputsEndsWhenTheReaderHasEnough(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{"a.yaml": "a", "b.yaml": "b"})
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	n := 0
	for range NewFactory(streams).ReadInputs(t.Context(), inputFlags{files: []string{dir, dir + "/no"}}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("read %d", n)
	}
}

func TestReadInputsBoundsWhatItReads(t *testing.T) {
	t.Parallel()
	streams, in, _, _ := genericiooptions.NewTestIOStreams()
	in.Write(make([]byte, spec.MaxInputSize+10))
	for input, err := range NewFactory(streams).ReadInputs(t.Context(), inputFlags{files: []string{"-"}}) {
		if err != nil || len(input.Data) != spec.MaxInputSize+1 {
			t.Errorf("%d bytes, %v", len(input.Data), err)
		}
	}
}

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// example is what is promised of a manifest of the documentation page.
type example struct {
	// validate is the exit code; worst is the gravest finding, empty: none.
	validate int
	worst    string
	// run is the exit code of the run, and outcome that of each source.
	run     int
	outcome result.Outcome
	// maintenance is true for a KopiaMaintenance.
	maintenance bool
	// notRun says why there is no run.
	notRun string
}

// examples are the promises, by the number that the file's name begins with.
// Actions do not run on this machine, which a run says as a warning.
func examples() map[string]example {
	clean := example{outcome: result.Succeeded}
	told := example{worst: "info", outcome: result.Succeeded}
	warned := example{worst: "warning", outcome: result.Succeeded}
	actions := example{worst: "warning", outcome: result.SucceededWithWarnings}
	// The Secret of the run is for a directory, which is not what they name.
	elsewhere := example{worst: "warning", run: 3, outcome: result.Refused}
	return map[string]example{
		"01": clean, "02": clean, "03": clean, "04": clean, "05": clean, "06": clean,
		"07": {worst: "warning", outcome: result.SucceededWithWarnings}, // it says where the data was found
		"08": clean, "09": clean, "10": clean, "11": clean, "12": clean, "13": clean, "14": clean,
		"15": actions, "16": warned, "17": warned, "18": elsewhere, "19": warned, "20": warned, "21": actions, "22": actions,
		"23": clean, "24": told, "25": told, "26": told, "27": warned, "28": clean,
		"32": {worst: "warning", notRun: "no source"},
		"36": actions, "37": elsewhere, "38": actions, "39": clean, "40": actions,
		"41": {outcome: result.Succeeded, maintenance: true},
		"45": {validate: 3, worst: "error", run: 3, outcome: result.Refused},
		"48": warned, "49": warned, "50": told, "51": told, "52": warned,
	}
}

// TestDocumentationExamples compares the verdict on every manifest of a directory
// with the documentation page's own examples, fragments wrapped in a minimal
// source, and the end of their runs with what is promised, and prints both. The
// directory is named by VK_EXAMPLES; it is no part of this repository.
func TestDocumentationExamples(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("VK_EXAMPLES")
	if dir == "" {
		t.Skip("skipped: VK_EXAMPLES names no directory with the documentation page's examples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s: %v", dir, err)
	}
	promised := examples()
	for _, file := range files {
		name := filepath.Base(file)
		number, _, _ := strings.Cut(name, "-")
		want, known := promised[number]
		if !known {
			t.Errorf("%s: nothing is promised of it", name)
			continue
		}
		delete(promised, number)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkExample(t, want, name, readFile(t, file))
		})
	}
	for number := range promised {
		t.Errorf("no example begins with %s", number)
	}
}

// checkExample judges one example, and runs it.
func checkExample(t *testing.T, want example, name, text string) {
	t.Helper()
	w := newWorld(t, kopiatest.Kopia(t))
	// A bucket cannot be on this machine; the rest of the manifest can.
	text = regexp.MustCompile(`KOPIA_REPOSITORY: s3://\S+`).ReplaceAllString(text, "KOPIA_REPOSITORY: filesystem:///kopia/repository")
	wrapped := w.file(t, name+".yaml", wrap(name, text))
	e := w.run(t, "validate", "-f", wrapped, "-o", "json")
	var report struct {
		Problems []struct{ Severity, Code string }
	}
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, e.stdout, e.stderr)
	}
	var found []string
	worst := ""
	for _, p := range report.Problems {
		if text := p.Severity + " " + p.Code; !slices.Contains(found, text) {
			found = append(found, text)
		}
		if severities := []string{"", "info", "warning", "error"}; slices.Index(severities, p.Severity) > slices.Index(severities, worst) {
			worst = p.Severity
		}
	}
	t.Logf("%-45s exit %d  %s", name, e.code, strings.Join(found, ", "))
	if e.code != want.validate || worst != want.worst {
		t.Errorf("validate: exit %d and at worst %q, want %d and %q\n%s", e.code, worst, want.validate, want.worst, e.stdout)
	}
	if want.notRun != "" {
		t.Logf("%s, not run: %s", name, want.notRun)
		return
	}
	runExample(t, w, want, wrapped)
}

// runExample backs up what the manifest describes; with --policy-errors=warn a
// policy that cannot be read is no obstacle.
func runExample(t *testing.T, w *world, want example, manifest string) {
	t.Helper()
	files := append([]string{manifest}, prepareExample(t, w, manifest)...)
	if want.maintenance {
		w.repo.Seed(t)
		results, e := w.maintain(t, files...)
		if e.code != want.run || len(results) != 1 {
			t.Fatalf("%s, run: exit %d\n%s", filepath.Base(manifest), e.code, e.stderr)
		}
		w.checkUpkeep(t, upkeep{}, results[0])
		return
	}
	results, e := w.backup(t, files...)
	checkEnded(t, filepath.Base(manifest)+", run", results, e, want.run, want.outcome)
	if want.validate != 3 {
		return
	}
	w.extra = []string{"--policy-errors=warn"}
	results, e = w.backup(t, files...)
	checkEnded(t, filepath.Base(manifest)+", run with --policy-errors=warn", results, e, 0, result.SucceededWithWarnings)
}

// checkEnded wants a proved snapshot of each source where the run succeeded, and
// none otherwise.
func checkEnded(t *testing.T, what string, results []result.Result, e ended, code int, outcome result.Outcome) {
	t.Helper()
	t.Logf("%s: exit %d", what, e.code)
	if e.code != code || len(results) == 0 {
		t.Errorf("%s: exit %d with %d results, want %d\n%s", what, e.code, len(results), code, e.stderr)
	}
	for _, r := range results {
		t.Logf("%s: %s %s %s", what, r.Outcome, r.Identity, r.Message)
		proved := r.Snapshot != nil && r.Snapshot.Proved == result.ProveBlobs
		if r.Outcome != outcome || proved != (code == 0) {
			t.Errorf("%s: %s is %s with the snapshot %+v, want %s", what, r.Object, r.Outcome, r.Snapshot, outcome)
		}
	}
}

// prepareExample fills the volume with what the manifest reads, and returns the
// files of the Secrets that it lacks.
func prepareExample(t *testing.T, w *world, manifest string) []string {
	t.Helper()
	set, _ := spec.Parse([]spec.Input{{Name: manifest, Data: []byte(readFile(t, manifest))}}, spec.Options{})
	w.write(t, "a-file", "content")
	for _, d := range set.Sources() {
		// A path with the mount's in front is one in the volume, as the page has it.
		w.write(t, filepath.Join(strings.TrimPrefix(d.Source.Spec.Kopia.SourcePath, "/data"), "a-file"), "content")
		secret := set.SecretFor(d.Metadata().Namespace, d.Source.Spec.Kopia.Repository)
		if secret == nil {
			continue
		}
		if given := string(secret.Secret.Data["KOPIA_PASSWORD"].Reveal()); given != "" {
			w.repo.Password = given
		}
	}
	return missingSecrets(t, w, manifest)
}

// wrap makes a fragment a whole manifest.
func wrap(name, text string) string {
	const head = "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: wrapped}\n"
	indented := "      " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n      ")
	switch {
	case strings.HasSuffix(name, ".json"):
		key := "global-policy.json"
		if strings.Contains(name, "repository-config") {
			key = "repository.config"
		}
		return configMap(key, indented) + head + "spec: {sourcePVC: data, kopia: {repository: kopia-config, policyConfig: {configMapName: wrapped}}}\n"
	case strings.Contains(text, "kind: ConfigMap") && !strings.Contains(text, "kind: ReplicationSource"):
		return text + sourcesFor(name, text)
	case strings.Contains(text, "kind:"):
		return text
	case strings.HasPrefix(text, "spec:"):
		return head + withDefaults(text)
	case strings.HasPrefix(text, "additionalArgs:"):
		return head + "spec:\n  sourcePVC: data\n  kopia:\n    repository: kopia-config\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
	case strings.HasPrefix(text, "data:"):
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrapped}\n" + text + "---\n" + head +
			"spec: {sourcePVC: data, kopia: {repository: kopia-config, policyConfig: {configMapName: wrapped}}}\n"
	}
	return text
}

// sourcesFor are minimal sources that use each ConfigMap of the text.
func sourcesFor(name, text string) string {
	var sources strings.Builder
	set, _ := spec.Parse([]spec.Input{{Name: name, Data: []byte(text)}}, spec.Options{})
	for _, d := range set.Documents {
		fmt.Fprintf(&sources, "\n---\napiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: wrapped, namespace: %s}\n"+
			"spec: {sourcePVC: data, kopia: {repository: kopia-config, policyConfig: {configMapName: %s}}}\n", d.Metadata().Namespace, d.Metadata().Name)
	}
	return sources.String()
}

// withDefaults adds what a spec fragment leaves out.
func withDefaults(text string) string {
	text = strings.Replace(text, "spec:\n", "spec:\n  sourcePVC: data\n", 1)
	if strings.Contains(text, "  kopia:\n") {
		return strings.Replace(text, "  kopia:\n", "  kopia:\n    repository: kopia-config\n", 1)
	}
	return text + "  kopia: {repository: kopia-config}\n"
}

func configMap(key, indented string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrapped}\ndata:\n  %s: |\n%s\n---\n", key, indented)
}

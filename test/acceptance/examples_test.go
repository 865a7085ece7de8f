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
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// TestDocumentationExamples prints the verdict on every manifest of a directory
// with the documentation page's own examples, fragments wrapped in a minimal
// source, and runs those whose repository can be on this machine. The directory
// is named by VK_EXAMPLES; it is no part of this repository.
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
	for _, file := range files {
		w := newWorld(t, kopiatest.Kopia(t))
		wrapped := w.file(t, filepath.Base(file)+".yaml", wrap(filepath.Base(file), readFile(t, file)))
		e := w.run(t, "validate", "-f", wrapped, "-o", "json")
		var report struct {
			Problems []struct{ Severity, Code string }
		}
		if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
			t.Fatalf("%s: %v\n%s%s", file, err, e.stdout, e.stderr)
		}
		var found []string
		for _, p := range report.Problems {
			if text := p.Severity + " " + p.Code; !slices.Contains(found, text) {
				found = append(found, text)
			}
		}
		want := 0
		if strings.HasPrefix(filepath.Base(file), "45-") {
			want = 3
		}
		t.Logf("%-45s exit %d  %-60s %s", filepath.Base(file), e.code, strings.Join(found, ", "), runExample(t, w, wrapped))
		if e.code != want {
			t.Errorf("%s: exit %d, want %d\n%s", file, e.code, want, e.stdout)
		}
	}
}

// runExample backs up what the manifest describes and says how that ended.
func runExample(t *testing.T, w *world, manifest string) string {
	t.Helper()
	text := readFile(t, manifest)
	set, _ := spec.Parse([]spec.Input{{Name: manifest, Data: []byte(text)}}, spec.Options{})
	switch {
	case len(set.Sources()) == 0:
		return "not run: no source"
	case regexp.MustCompile(`"type": "(s3|azureBlob|azure)"|KOPIA_REPOSITORY: (s3|azure)`).MatchString(text):
		return "not run: its storage is not on this machine"
	}
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
	results, e := w.backup(t, append([]string{manifest}, missingSecrets(t, w, manifest)...)...)
	said := []string{fmt.Sprintf("run: exit %d", e.code)}
	for _, r := range results {
		said = append(said, fmt.Sprintf("%s %s", r.Outcome, r.Identity))
		if r.Snapshot == nil {
			said = append(said, r.Message)
		}
	}
	return strings.Join(said, "; ")
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

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDocumentationExamples prints the verdict on every manifest of a directory
// with the documentation page's own examples, fragments wrapped in a minimal
// source. The directory is named by VK_EXAMPLES; it is no part of this
// repository.
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
	w := &world{dir: t.TempDir(), path: os.Getenv("PATH")}
	for _, file := range files {
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
		t.Logf("%-45s exit %d  %s", filepath.Base(file), e.code, strings.Join(found, ", "))
		if e.code != want {
			t.Errorf("%s: exit %d, want %d\n%s", file, e.code, want, e.stdout)
		}
	}
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

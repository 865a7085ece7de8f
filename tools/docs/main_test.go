package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// written makes the pages in a new directory. The generator reads the sources
// from the root of the module.
func written(t *testing.T) string {
	t.Helper()
	t.Chdir("../..")
	dir := t.TempDir()
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPagesSayWhatTheCodeDoes(t *testing.T) {
	dir := written(t)
	codes := read(t, filepath.Join(dir, "exit-codes.md"))
	_, order, _ := strings.Cut(codes, "in the order ")
	for _, code := range fault.WorstFirst() {
		var found bool
		if _, order, found = strings.Cut(order, strconv.Itoa(int(code))); !found {
			t.Errorf("code %d is not in its place in:\n%s", code, codes)
		}
	}
	steps := read(t, filepath.Join(dir, "result.md"))
	for _, step := range result.Reductions() {
		for _, text := range append(step.Fields, step.How) {
			var found bool
			if _, steps, found = strings.Cut(steps, text); !found {
				t.Fatalf("%q of %v is not in its place", text, step.Fields)
			}
		}
	}
}

func TestCheckFindsWhatIsOutOfDate(t *testing.T) {
	dir := written(t)
	if err := run(dir, true); err != nil {
		t.Fatalf("just written: %v", err)
	}
	orphan := filepath.Join(dir, "gone.md")
	pages := map[string]struct{ file, text string }{
		"a page that was edited":      {filepath.Join(dir, "events.md"), "# Events\n"},
		"a page that is none anymore": {orphan, "# Gone\n\n" + generated},
	}
	for name, page := range pages {
		if err := os.WriteFile(page.file, []byte(page.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := run(dir, true); err == nil || !strings.Contains(err.Error(), filepath.Base(page.file)) {
			t.Errorf("%s: %v", name, err)
		}
		if err := run(dir, false); err != nil {
			t.Fatal(err)
		}
		if err := run(dir, true); err != nil {
			t.Errorf("%s, after writing: %v", name, err)
		}
	}
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("the page that is none is still there: %v", err)
	}
	// A page that a person wrote is left alone.
	if err := os.WriteFile(orphan, []byte("# By hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Error(err)
	}
}

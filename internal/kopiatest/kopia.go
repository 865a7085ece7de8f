// Package kopiatest runs tests against real kopia: it finds the binaries,
// makes data, reads repositories back with bare kopia, and compares trees.
//
// It is for tests only; the product does not import it.
package kopiatest

import (
	"os"
	"path/filepath"
	"testing"
)

// Kopia returns the default kopia: VK_KOPIA, else bin/kopia at the module's
// root. Without one the test is skipped, or fails when VK_REQUIRE has "kopia".
func Kopia(t testing.TB) string {
	t.Helper()
	path := os.Getenv("VK_KOPIA")
	if path == "" {
		path = filepath.Join(moduleRoot(t), "bin", "kopia")
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	Unable(t, "no kopia at %s (make kopia)", path)
	return ""
}

// Each runs f as a subtest on every kopia of VK_KOPIAS (a list with colons),
// or on the default one when that is unset.
func Each(t *testing.T, f func(t *testing.T, kopia string)) {
	t.Helper()
	list := os.Getenv("VK_KOPIAS")
	if list == "" {
		f(t, Kopia(t))
		return
	}
	for _, kopia := range filepath.SplitList(list) {
		t.Run(filepath.Base(kopia), func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(kopia); err != nil {
				t.Fatalf("VK_KOPIAS names a kopia that is not there: %v", err)
			}
			f(t, kopia)
		})
	}
}

// moduleRoot is the directory with go.mod above the test's own.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = parent
	}
}

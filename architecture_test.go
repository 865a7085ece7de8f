package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/volsync-kopia/kubectl-volsync-kopia"

// layer says what a package may reach, transitively: none of the forbidden
// prefixes, and of our own packages only those listed.
type layer struct {
	pkg  string
	own  []string
	deny []string
}

// effects are what a pure package must not reach by any way.
func effects() []string {
	return []string{"os/exec", "k8s.io/client-go", "k8s.io/cli-runtime", "github.com/spf13/cobra"}
}

func layers() []layer {
	leaves := []string{"internal/problem", "internal/secret", "internal/result", "internal/fault", "internal/printable", "internal/kopiaexec/release"}
	pure := append([]string{"internal/spec", "internal/kopiaexec/argv", "internal/kopiaexec/policy", "internal/kopiaexec/storage"}, leaves...)
	mover := append([]string{"internal/kopiaexec"}, pure...)
	return []layer{
		{"internal/problem", nil, effects()},
		{"internal/secret", nil, effects()},
		{"internal/printable", nil, effects()},
		{"internal/fault", []string{"internal/printable"}, effects()},
		{"internal/version", nil, effects()},
		{"internal/result", []string{"internal/fault", "internal/printable", "internal/problem"}, effects()},
		{"internal/kopiaexec/release", nil, effects()},
		{"internal/kopiaexec/argv", leaves, effects()},
		{"internal/kopiaexec/policy", leaves, effects()},
		{"internal/kopiaexec/storage", leaves, effects()},
		{"internal/spec", []string{"internal/problem", "internal/secret"}, effects()},
		{"internal/crd", []string{"internal/spec", "internal/problem", "internal/secret"}, effects()},
		{"internal/validate", pure, effects()},
		{"internal/plan", append([]string{"internal/validate"}, pure...), effects()},
		{"internal/status", append([]string{"internal/plan", "internal/validate"}, pure...), effects()},
		{"internal/kopiaexec", pure, []string{"k8s.io/client-go", "github.com/spf13/cobra"}},
		{"internal/mover", mover, []string{"k8s.io/client-go", "github.com/spf13/cobra"}},
		{"internal/run", append([]string{"internal/plan", "internal/status", "internal/validate"}, pure...), effects()},
	}
}

// TestImportDirection keeps the architecture: what a package reaches is what
// docs/explanation/architecture.md says it may reach.
func TestImportDirection(t *testing.T) {
	t.Parallel()
	for _, l := range layers() {
		t.Run(l.pkg, func(t *testing.T) {
			t.Parallel()
			for _, dep := range dependencies(t, l.pkg) {
				if own, ok := strings.CutPrefix(dep, module+"/"); ok {
					if own != l.pkg && !slices.Contains(l.own, own) {
						t.Errorf("%s reaches %s", l.pkg, own)
					}
					continue
				}
				for _, banned := range l.deny {
					if dep == banned || strings.HasPrefix(dep, banned+"/") {
						t.Errorf("%s reaches %s", l.pkg, dep)
					}
				}
			}
		})
	}
}

// TestEveryPackageHasALayer makes a new package state what it may reach.
func TestEveryPackageHasALayer(t *testing.T) {
	t.Parallel()
	known := []string{"internal/k8s", "internal/local", "internal/ui", "internal/kopiatest", "internal/apiservertest"}
	for _, l := range layers() {
		known = append(known, l.pkg)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "./internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if own := strings.TrimPrefix(pkg, module+"/"); !slices.Contains(known, own) {
			t.Errorf("%s has no row in layers()", own)
		}
	}
}

// dependencies lists everything that the package reaches.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+pkg).Output()
	if err != nil {
		t.Fatalf("go list -deps ./%s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

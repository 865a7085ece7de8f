package spec

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

var update = flag.Bool("update", false, "write the golden files anew")

// write prints problems as the golden files hold them.
func write(problems problem.List) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s %s %s", p.Position, p.Severity, p.Code)
		if p.Object != "" {
			fmt.Fprintf(&b, " %s", p.Object)
		}
		if p.Path != "" {
			fmt.Fprintf(&b, " %s", p.Path)
		}
		fmt.Fprintf(&b, "\n    %s\n", p.Message)
		if p.Fix != "" {
			fmt.Fprintf(&b, "    fix: %s\n", p.Fix)
		}
	}
	return b.String()
}

// environment is what the golden cases with "envsubst" in their name see.
func environment(name string) (string, bool) {
	v, ok := map[string]string{"CLUSTER": "east", "WORKERS": "8", "EMPTY": ""}[name]
	return v, ok
}

func TestInvalidManifests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "testdata", "invalid", "spec")
	cases, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("%d cases, at least 30 are expected", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(root, c.Name())
			data, err := os.ReadFile(filepath.Join(dir, "manifest.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			opts := Options{Envsubst: strings.Contains(c.Name(), "envsubst"), Lookup: environment}
			_, problems := Parse([]Input{{Name: "manifest.yaml", Data: data}}, opts)
			compare(t, filepath.Join(dir, "problems.txt"), write(problems))
			if len(problems) == 0 {
				t.Error("the manifest is meant to have problems")
			}
			if strings.Contains(write(problems), "hunter2") {
				t.Error("a problem shows the content of a Secret")
			}
		})
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestGoldenFoldersHoldNothingElse(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "testdata", "invalid", "spec")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if e.Name() != "manifest.yaml" && e.Name() != "problems.txt" {
			t.Errorf("%s is not read by any test", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryCodeIsDocumentedAndShown keeps the codes, their documentation and the
// golden cases together.
func TestEveryCodeIsDocumentedAndShown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "invalid", "spec", "*", "problems.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(b)
	}
	for _, code := range []string{
		codeSyntax, codeEmpty, codeNothing, codeLimit, codeIncomplete, codeUnknownKind, codeIgnored,
		codeUnknownField, codeWrongType, codeDuplicateKey, codeMisplaced, codeRemoved, codeOtherMover,
		codeQuantity, codeTimestamp, codeName, codeDeprecated, codeBase64, codeDataKey,
		codeVariableUnset, codeSubstitution, codeDefinedTwice,
	} {
		if _, ok := problem.Lookup(code); !ok {
			t.Errorf("%s is not documented", code)
		}
		if !strings.Contains(shown.String(), " "+code) {
			t.Errorf("no golden case shows %s", code)
		}
	}
}

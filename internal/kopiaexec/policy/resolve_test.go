package policy

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

var update = flag.Bool("update", false, "write the golden files")

const testSource = Target("app@prod:/data")

// golden reads the inputs of one case; a file named SECRET makes its policy
// files those of a Secret.
func golden(t *testing.T, dir string) Inputs {
	t.Helper()
	in := Inputs{Source: testSource}
	files := map[string]**Document{
		"global-policy.json": &in.Global, "repository.config": &in.RepositoryConfig,
		"structured.json": &in.Structured, "manual.json": &in.Manual,
	}
	names := map[string]string{
		"structured.json": "spec.kopia.policyConfig.repositoryConfig", "manual.json": "KOPIA_MANUAL_CONFIG",
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		switch into, ok := files[entry.Name()]; {
		case ok:
			name := entry.Name()
			if names[name] != "" {
				name = names[name]
			}
			*into = parse(t, name, string(data))
		case entry.Name() == "SECRET":
			in.FromSecret = true
		case entry.Name() == "inline.json":
			if err := json.Unmarshal(data, &in.Inline); err != nil {
				t.Fatal(err)
			}
		case entry.Name() != "want.txt":
			t.Errorf("%s/%s is read by no test", dir, entry.Name())
		}
	}
	return in
}

func parse(t testing.TB, name, text string) *Document {
	t.Helper()
	doc, err := ParseDocument(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func goldenCases(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/resolve/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no golden cases: %v", err)
	}
	return dirs
}

func TestGoldenResolutionsOfWholeManifests(t *testing.T) {
	t.Parallel()
	for _, dir := range goldenCases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			got := render(Resolve(golden(t, dir), NamesFor(release.Default)))
			want := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func render(r Resolution) string {
	var b strings.Builder
	for _, target := range r.Desired.Targets() {
		fmt.Fprintf(&b, "%s\n", target)
		for _, v := range r.Desired.Values(target) {
			fmt.Fprintf(&b, "  %-32s %-32s %s%s\n", v.Path, v.JSON, v.From, map[bool]string{true: " (sensitive)"}[v.Sensitive])
		}
	}
	notes := r.Notes
	storage := string(r.Storage)
	r.Desired, r.Notes, r.Storage = Desired{}, nil, nil
	settings, err := json.Marshal(struct {
		Limits          result.Limits
		EnableActions   *bool
		ActionTimeout   string
		Creation        CreationOptions
		Caching         Caching
		Maintenance     Maintenance
		RestoreParallel int
	}{r.Limits, r.EnableActions, r.ActionTimeout.String(), r.Creation, r.Caching, r.Maintenance, r.RestoreParallel})
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(&b, "settings %s\nstorage %s\n", settings, storage)
	for _, n := range notes {
		fmt.Fprintf(&b, "%s:%d:%d %s %s %s: %s\n", n.File, n.Line, n.Column, n.Severity, n.Code, n.Pointer, n.Message)
		if n.Fix != "" {
			fmt.Fprintf(&b, "    fix: %s\n", n.Fix)
		}
	}
	return b.String()
}

func TestLayersFromOneInputToTheNext(t *testing.T) {
	t.Parallel()
	layer := func(from, policy string) result.PolicyLayer {
		return result.PolicyLayer{From: from, Policy: json.RawMessage(policy)}
	}
	in := Inputs{
		Source:     testSource,
		Global:     parse(t, "g.json", `{"compression":{"compressor":"zstd"},"retention":{"keepDaily":1}}`),
		Manual:     parse(t, "KOPIA_MANUAL_CONFIG", `{"compression":{"compressor":"gzip","maxSize":5}}`),
		Structured: parse(t, "structured", `{"policies":{"retention":{"keepDaily":2,"keepWeekly":2},"files":{"ignore":["s"]}}}`),
		Inline: []result.PolicyLayer{
			layer("one", `{"retention":{"keepDaily":3},"files":{"ignore":["a"]}}`),
			layer("two", `{"files":{"ignore":["b","s"]}}`),
		},
	}
	got := Resolve(in, NamesFor(release.Default)).Desired
	want := map[Target][]Value{
		Global: {
			{Path: "compression.compressorName", JSON: `"zstd"`, From: "g.json"},
			{Path: "retention.keepDaily", JSON: `1`, From: "g.json"},
		},
		testSource: {
			{Path: "compression.maxSize", From: "KOPIA_MANUAL_CONFIG", Sensitive: true},
			{Path: "files.ignore", JSON: `["s","a","b"]`, From: "structured, one, two"},
			{Path: "retention.keepDaily", JSON: `3`, From: "one"},
			{Path: "retention.keepWeekly", JSON: `2`, From: "structured"},
		},
	}
	for target, values := range want {
		if diff := cmp.Diff(values, got.Values(target)); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
}

func TestNothingOfASecretStandsInNotesOrValues(t *testing.T) {
	t.Parallel()
	in := golden(t, "testdata/resolve/secret-gzip")
	out := Resolve(in, NamesFor("0.23.1"))
	for _, content := range []string{"gzip", "DYNAMIC-5M", "CHACHA20-POLY", "\"12\"", "REED"} {
		for _, n := range out.Notes {
			if strings.Contains(n.Message, content) {
				t.Errorf("the note %q shows %q", n.Message, content)
			}
		}
	}
	for _, v := range out.Desired.Values(Global) {
		if v.JSON != "" || !v.Sensitive {
			t.Errorf("%s shows %s", v.Path, v.JSON)
		}
	}
	diff := out.Desired.Diff(Export{Global: {"retention": map[string]any{"keepHourly": json.Number("1")}}})
	if len(diff.Changes) == 0 {
		t.Fatal("no changes")
	}
	for _, c := range diff.Changes {
		if c.Before != "" && c.Before != result.Withheld || c.After != result.Withheld || c.Path == "" {
			t.Errorf("a change shows a value or no path: %+v", c)
		}
	}
}

func TestAnArgumentAddsToTheIgnoreListOfTheGlobalFile(t *testing.T) {
	t.Parallel()
	layer := result.PolicyLayer{From: "spec.kopia.additionalArgs[0]", Policy: json.RawMessage(`{"files":{"ignore":["x"]}}`)}
	in := Inputs{
		Source: testSource, Inline: []result.PolicyLayer{layer},
		Global: parse(t, "g.json", `{"files":{"ignore":["*.log"],"ignoreDotFiles":[".k"]}}`),
	}
	want := []Value{{Path: "files.ignore", JSON: `["*.log","x"]`, From: "g.json, spec.kopia.additionalArgs[0]"}}
	if diff := cmp.Diff(want, Resolve(in, NamesFor("")).Desired.Values(testSource)); diff != "" {
		t.Error(diff)
	}
	in.FromSecret = true
	for _, v := range Resolve(in, NamesFor("")).Desired.Values(testSource) {
		if !v.Sensitive || v.JSON != "" {
			t.Errorf("the list shows what the Secret says: %+v", v)
		}
	}
	in.FromSecret = false
	in.Structured = parse(t, "s", `{"policies":{"files":{"ignore":["s"]}}}`)
	want = []Value{{Path: "files.ignore", JSON: `["s","x"]`, From: "s, spec.kopia.additionalArgs[0]"}}
	if diff := cmp.Diff(want, Resolve(in, NamesFor("")).Desired.Values(testSource)); diff != "" {
		t.Errorf("the structured list takes the place of the file's: %s", diff)
	}
}

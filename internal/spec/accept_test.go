package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValidManifests reads manifests of every documented shape without a single
// finding.
func TestValidManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "valid", "*"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set := mustParse(t, string(data), Options{})
			var objects []string
			for _, d := range set.Documents {
				objects = append(objects, d.Object())
			}
			first, _, _ := strings.Cut(string(data), "\n")
			want, _ := strings.CutPrefix(first, "# objects: ")
			if filepath.Ext(file) == ".json" {
				want = "ReplicationSource app"
				labels := map[string]string{"a/b": "é \U0001f600 \\/"}
				if diff := cmp.Diff(labels, set.Documents[0].Metadata().Labels); diff != "" {
					t.Errorf("escapes of JSON: %s", diff)
				}
			}
			if diff := cmp.Diff(want, strings.Join(objects, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestYAMLFeatures(t *testing.T) {
	t.Parallel()
	kopia := func(fields string) string { return header + "spec:\n  kopia:\n    repository: r\n" + fields }
	for name, c := range map[string]struct {
		text string
		want func(*KopiaSource) string
		is   string
	}{
		"an alias stands for its anchor": {
			kopia("    username: &u joe\n    hostname: *u\n"),
			func(k *KopiaSource) string { return *k.Hostname }, "joe",
		},
		"a merge key adds fields, and the own field wins": {
			kopia("    retain: &r {daily: 1, hourly: 2}\n    <<: {compression: zstd, repository: other}\n"),
			func(k *KopiaSource) string { return k.Compression + k.Repository }, "zstdr",
		},
		"several mappings are merged, the first wins": {
			kopia("    <<: [{compression: zstd}, {compression: s2, sourcePath: /x}]\n"),
			func(k *KopiaSource) string { return k.Compression + k.SourcePath }, "zstd/x",
		},
		"null means absent": {
			kopia("    username: null\n    retain: ~\n    additionalArgs:\n"),
			func(k *KopiaSource) string { return fmt.Sprint(k.Username, k.Retain, k.AdditionalArgs) }, "<nil> <nil> []",
		},
		"an unquoted date is text": {
			kopia("    username: 2026-01-31\n"),
			func(k *KopiaSource) string { return *k.Username }, "2026-01-31",
		},
		"a quantity may be a bare number": {
			kopia("    capacity: 1024\n    cacheCapacity: 1.5Gi\n"),
			func(k *KopiaSource) string { return k.Capacity.String() + " " + k.CacheCapacity.String() }, "1024 1536Mi",
		},
		"numbers in other bases": {
			kopia("    parallelism: 0x10\n"),
			func(k *KopiaSource) string { return strconv.Itoa(int(*k.Parallelism)) }, "16",
		},
		"without envsubst a reference stays": {
			kopia("    hostname: ${CLUSTER}\n"),
			func(k *KopiaSource) string { return *k.Hostname }, "${CLUSTER}",
		},
		"a byte order mark and directives": {
			"\ufeff%YAML 1.1\n---\n" + kopia("    compression: zstd\n") + "...\n",
			func(k *KopiaSource) string { return k.Compression }, "zstd",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustParse(t, c.text, Options{})
			if got := c.want(set.Sources()[0].Source.Spec.Kopia); got != c.is {
				t.Errorf("got %q, want %q", got, c.is)
			}
		})
	}
}

func TestEnvsubstExpandsAsFluxDoes(t *testing.T) {
	t.Parallel()
	text := func(fields string) string {
		return header + "spec:\n  sourcePVC: data # ${COMMENT}\n  kopia:\n" + fields
	}
	for name, c := range map[string]struct {
		text string
		want func(*KopiaSource) string
		is   string
	}{
		"a variable":                       {text("    hostname: a-${CLUSTER}\n"), func(k *KopiaSource) string { return *k.Hostname }, "a-east"},
		"a default for an unset one":       {text("    hostname: ${X:-b}\n"), func(k *KopiaSource) string { return *k.Hostname }, "b"},
		"an assigning default":             {text("    hostname: ${X:=b}\n"), func(k *KopiaSource) string { return *k.Hostname }, "b"},
		"a default inside a default":       {text("    hostname: ${X:-${Y:-${CLUSTER}}}\n"), func(k *KopiaSource) string { return *k.Hostname }, "east"},
		"a number for a number field":      {text("    parallelism: ${WORKERS}\n"), func(k *KopiaSource) string { return strconv.Itoa(int(*k.Parallelism)) }, "8"},
		"a quoted number too":              {text("    parallelism: \"${WORKERS}\"\n"), func(k *KopiaSource) string { return strconv.Itoa(int(*k.Parallelism)) }, "8"},
		"a number for a text field":        {text("    hostname: ${WORKERS}\n"), func(k *KopiaSource) string { return *k.Hostname }, "8"},
		"an escaped reference stays":       {text("    hostname: $${CLUSTER}\n"), func(k *KopiaSource) string { return *k.Hostname }, "${CLUSTER}"},
		"shell without braces stays":       {text("    actions: {beforeSnapshot: 'echo $HOME $(date)'}\n"), func(k *KopiaSource) string { return k.Actions.BeforeSnapshot }, "echo $HOME $(date)"},
		"an anchored value expands once":   {text("    username: &a $${CLUSTER}\n    hostname: *a\n"), func(k *KopiaSource) string { return *k.Username + *k.Hostname }, "${CLUSTER}${CLUSTER}"},
		"an empty one is absent":           {text("    hostname: ${EMPTY}\n"), func(k *KopiaSource) string { return fmt.Sprint(k.Hostname) }, "<nil>"},
		"a list item":                      {text("    additionalArgs: ['--parallel=${WORKERS}']\n"), func(k *KopiaSource) string { return k.AdditionalArgs[0] }, "--parallel=8"},
		"an object that opts out":          {strings.Replace(text("    hostname: ${X}\n"), "  name: app\n", "  name: app\n  labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}\n", 1), func(k *KopiaSource) string { return *k.Hostname }, "${X}"},
		"a value never becomes structure ": {text("    hostname: \"${CLUSTER}: {\"\n"), func(k *KopiaSource) string { return *k.Hostname }, "east: {"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustParse(t, c.text, Options{Envsubst: true, Lookup: environment})
			if got := c.want(set.Sources()[0].Source.Spec.Kopia); got != c.is {
				t.Errorf("got %q, want %q", got, c.is)
			}
		})
	}
}

func TestSecretsKeepWhatKubectlAppliedOut(t *testing.T) {
	t.Parallel()
	set := mustParse(t, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: hunter2\n    other: kept\n", Options{})
	if diff := cmp.Diff(map[string]string{"other": "kept"}, set.Documents[0].Metadata().Annotations); diff != "" {
		t.Error(diff)
	}
}

func TestLimitsLeaveRoomForRealFiles(t *testing.T) {
	t.Parallel()
	line := "    " + strings.Repeat("x", 59) + "\n"
	policy := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  global-policy.json: |\n" + strings.Repeat(line, 1<<20/64)
	mustParse(t, policy, Options{})

	_, problems := Parse([]Input{{Name: "big.yaml", Data: make([]byte, MaxInputSize+1)}}, Options{})
	if len(problems) != 1 || problems[0].Code != codeLimit || problems[0].File != "big.yaml" ||
		!strings.Contains(problems[0].Message, "more than 16 MiB") || !strings.Contains(problems[0].Fix, "-f") {
		t.Errorf("a file above the limit must be refused, with its name and what to do:\n%s", write(problems))
	}
	_, problems = Parse([]Input{{Name: "crowded.yaml", Data: []byte("a: [" + strings.Repeat("1,", maxElements+1) + "]")}}, Options{})
	if len(problems) != 1 || problems[0].Code != codeLimit {
		t.Errorf("a document of too many elements must be refused:\n%s", write(problems))
	}
}

func TestProblemsOfSeveralFilesAreSortedAndComplete(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(header, "app", "b", 1) + "spec: {pausd: true}\n"
	_, problems := Parse([]Input{
		{Name: "z.yaml", Data: []byte(header)},
		{Name: "-", Data: []byte(bad)},
		{Name: "a.yaml", Data: []byte(header)},
	}, Options{})
	var got []string
	for _, p := range problems {
		got = append(got, p.Position.String()+" "+p.Code)
	}
	want := []string{"<stdin>:6:8 " + codeUnknownField, "a.yaml:1:1 " + codeDefinedTwice}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Looking each one up from the first line took the square of their number.
func TestVeryManyUnsetVariablesStandWhereTheyAre(t *testing.T) {
	t.Parallel()
	const count = 100_000
	text := "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: app}\nspec:\n  kopia:\n    additionalArgs:\n" +
		strings.Repeat("    - --x=${A}\n", count)
	_, problems := Parse([]Input{{Name: "in.yaml", Data: []byte(text)}}, Options{Envsubst: true})
	if len(problems) != count {
		t.Fatalf("%d problems, want %d", len(problems), count)
	}
	if last := problems[count-1].Position.String(); last != "in.yaml:100006:11" {
		t.Errorf("the last stands at %s", last)
	}
}

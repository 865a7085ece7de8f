package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

func seed(f *testing.F) [][]byte {
	f.Helper()
	var out [][]byte
	for _, pattern := range []string{
		filepath.Join("testdata", "valid", "*"),
		filepath.Join("..", "..", "testdata", "invalid", "spec", "*", "manifest.yaml"),
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, data)
		}
	}
	return out
}

// equalSecrets compares what is hidden.
func equalSecrets() cmp.Option {
	return cmp.Comparer(func(a, b secret.Value) bool { return bytes.Equal(a.Reveal(), b.Reveal()) })
}

// FuzzParse: parsing ends without a panic, twice with the same result, and
// every problem has a documented code, a place in the file and no empty message.
func FuzzParse(f *testing.F) {
	for _, data := range seed(f) {
		f.Add(data, true)
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, envsubst bool) {
		opts := Options{Envsubst: envsubst, Lookup: environment}
		in := []Input{{Name: "in.yaml", Data: data}}
		set, problems := Parse(in, opts)
		again, problemsAgain := Parse(in, opts)
		if diff := cmp.Diff(problems, problemsAgain) + cmp.Diff(set, again, equalQuantities(), equalSecrets(), cmpopts.IgnoreUnexported(Document{})); diff != "" {
			t.Fatalf("parsing twice gives two results:\n%s", diff)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if _, ok := problem.Lookup(p.Code); !ok || p.Message == "" || p.Severity == "" {
				t.Errorf("incomplete problem %+v", p)
			}
			if p.File != "in.yaml" || p.Line > lines && !strings.ContainsAny(string(data), "\r\u0085\u2028\u2029") {
				t.Errorf("problem outside of the file: %+v", p)
			}
		}
		for _, d := range set.Documents {
			_ = d.PositionIn(d.DataPath("a"), 2, 2)
			_ = d.Position("spec.kopia.additionalArgs[1]")
			_ = d.Object()
		}
	})
}

const canary = "zq7canary-zq7"

// FuzzSecret: whatever stands around it, a value of a Secret is in no problem.
func FuzzSecret(f *testing.F) {
	for _, before := range []string{"", "x", "\"", "'", "[", "{a: ", "*", "&", "!", "|\n    ", "|\n  ", "|\n", "x\n", "x\n  ", "- ", "@", "a: ", "${", "${X", "!!int ", "!!binary ", "%"} {
		f.Add(before, "", "stringData", true)
		f.Add(before, ": x", "data", false)
		f.Add(before, "}", "data", true)
	}
	f.Fuzz(func(t *testing.T, before, after, field string, envsubst bool) {
		text := "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n" + field + ":\n  password: " + before + canary + after + "\n"
		if strings.Contains(text, "\n---") || strings.Contains(text, "\n...") || strings.Contains(text, "\r---") {
			t.Skip("it ends the Secret")
		}
		if strings.Contains(field, "metadata") || strings.Contains(before, "metadata") || strings.Contains(before, "kind") || strings.Contains(before, "apiVersion") {
			t.Skip("names are not content")
		}
		_, problems := Parse([]Input{{Name: "in.yaml", Data: []byte(text)}}, Options{Envsubst: envsubst, Lookup: environment})
		for _, p := range problems {
			if strings.Contains(strings.ToLower(p.Object+p.Path+p.Message+p.Fix), canary) && !strings.Contains(p.Path, "[\""+canary) && !dataKey(p.Path) {
				t.Errorf("the content is shown: %+v", p)
			}
		}
	})
}

// dataKey reports the path of a key of data, which is a name and no content.
func dataKey(path string) bool {
	return strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "stringData.") || strings.HasPrefix(path, "data[") || strings.HasPrefix(path, "stringData[")
}

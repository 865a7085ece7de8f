package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The definitions in the repository are those that the schemas and types give.
func TestDefinitionsAreUpToDate(t *testing.T) {
	t.Chdir("../..")
	if err := run("internal/crd", true); err != nil {
		t.Error(err)
	}
}

func TestCheckFindsWhatIsOutOfDate(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Fatalf("just written: %v", err)
	}
	for sentence, name := range map[string]string{
		"a definition that was edited":        "replicationsources.yaml",
		"a definition of a kind that is none": "replicationthings.yaml",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x: y\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(dir, true); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", sentence, err)
		}
		if err := run(dir, false); err != nil {
			t.Fatal(err)
		}
		if err := run(dir, true); err != nil {
			t.Errorf("%s, after writing: %v", sentence, err)
		}
	}
}

// A field that the schemas and the types do not share, and a rule of no field,
// stop the generator.
func TestDriftIsAnError(t *testing.T) {
	t.Parallel()
	maintenance := kinds()[2]
	for sentence, c := range map[string]struct {
		change func(k *kind, properties map[string]any)
		want   string
	}{
		"a field that only the type has":   {func(_ *kind, p map[string]any) { delete(p, "cachePVC") }, "field cachePVC is not in kopiamaintenance.json"},
		"a field that only the schema has": {func(_ *kind, p map[string]any) { p["extra"] = map[string]any{} }, "describes"},
		"a rule of no field":               {func(k *kind, _ map[string]any) { k.rules["spec.gone"] = []string{"pattern"} }, "spec.gone"},
		"a rule that the schema has not":   {func(k *kind, _ map[string]any) { k.rules["spec.cachePVC"] = []string{"maximum"} }, "no maximum"},
		"a default of no field":            {func(k *kind, _ map[string]any) { k.defaults["spec.gone"] = 1 }, "spec.gone"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			k := maintenance
			k.rules, k.defaults = maps.Clone(k.rules), maps.Clone(k.defaults)
			dir := t.TempDir()
			var file struct {
				Properties struct {
					Spec map[string]any `json:"spec"`
				} `json:"properties"`
			}
			for _, name := range []string{"common.json", k.schemaFile()} {
				data, err := os.ReadFile(filepath.Join("../..", schemas, name))
				if err != nil {
					t.Fatal(err)
				}
				if name == k.schemaFile() {
					if err := json.Unmarshal(data, &file); err != nil {
						t.Fatal(err)
					}
					c.change(&k, file.Properties.Spec["properties"].(map[string]any))
					if data, err = json.Marshal(file); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			conv := converter{dir: dir, kind: k, files: map[string]any{}}
			if _, err := conv.spec(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// The pattern of a quantity takes what Kubernetes itself takes. What has no digit,
// as "-Gi", is left out: Kubernetes reads it as 0, against its own grammar.
func TestQuantityPatternIsTheGrammarOfQuantities(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(quantity)
	for _, sign := range []string{"", "+", "-", " "} {
		for _, number := range []string{"0", "10", "1.", "1.5", ".5", "1.5.1", "1,5", "x1"} {
			for _, suffix := range []string{
				"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P", "E",
				"e3", "E3", "e-3", "e+3", "K", "ki", "g", "GB", "Zi", "i", " Gi", "e", "e3.5", "e3Gi",
			} {
				text := sign + number + suffix
				_, err := resource.ParseQuantity(text)
				if pattern.MatchString(text) != (err == nil) {
					t.Errorf("%q: the pattern says %t, Kubernetes %v", text, pattern.MatchString(text), err)
				}
			}
		}
	}
}

func TestATypeWithoutASchemaIsAnError(t *testing.T) {
	t.Parallel()
	type unknown struct {
		Text  string                 `json:"text"`
		Float map[string]interface{} `json:"float"`
	}
	if _, err := valueOf(reflect.TypeFor[[]unknown]()); err == nil || !strings.HasPrefix(err.Error(), "float: ") {
		t.Error(fmt.Sprint(err))
	}
}

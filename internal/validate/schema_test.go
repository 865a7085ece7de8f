package validate

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Every field of a kind stands in its schema and the other way round, down to
// the types of Kubernetes itself.
func TestSchemasHaveExactlyTheFieldsOfTheTypes(t *testing.T) {
	t.Parallel()
	s := newSchemas()
	for name, typ := range map[string]reflect.Type{
		replicationSourceSchema:      reflect.TypeFor[spec.ReplicationSource](),
		replicationDestinationSchema: reflect.TypeFor[spec.ReplicationDestination](),
		kopiaMaintenanceSchema:       reflect.TypeFor[spec.KopiaMaintenance](),
	} {
		inType, inSchema := map[string]bool{}, map[string]bool{}
		typeFields(typ, "", inType)
		schemaFields(t, s, name, s.raw(name), "", inSchema)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(inType)), slices.Sorted(maps.Keys(inSchema))); diff != "" {
			t.Errorf("%s (-type +schema):\n%s", name, diff)
		}
	}
}

func typeFields(typ reflect.Type, path string, into map[string]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[spec.Retain]().PkgPath() {
		return
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			typeFields(f.Type, path, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		into[path+"."+name] = true
		typeFields(f.Type, path+"."+name, into)
	}
}

func schemaFields(t *testing.T, s *schemas, file string, node any, path string, into map[string]bool) {
	t.Helper()
	object, _ := node.(map[string]any)
	if reference, ok := object["$ref"].(string); ok {
		other, pointer, _ := strings.Cut(reference, "#")
		schemaFields(t, s, other, valueAt(s.raw(other), pointer), path, into)
		return
	}
	if items, ok := object["items"]; ok {
		schemaFields(t, s, file, items, path, into)
	}
	properties, _ := object["properties"].(map[string]any)
	for name, child := range properties {
		into[path+"."+name] = true
		schemaFields(t, s, file, child, path+"."+name, into)
	}
}

func TestSchemasCompileAndAcceptNothingWrongByThemselves(t *testing.T) {
	t.Parallel()
	s := newSchemas()
	for _, name := range schemaNames(t) {
		if _, err := s.check(name, map[string]any{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each rule of the kinds' schemas has its own words, whose code is documented;
// no reader ever sees the words of the schema library.
func TestEveryRuleOfTheKindsHasDocumentedWords(t *testing.T) {
	t.Parallel()
	s := newSchemas()
	for _, name := range []string{replicationSourceSchema, replicationDestinationSchema, kopiaMaintenanceSchema, commonSchema} {
		walkSchema(s.raw(name), name, func(node map[string]any, path string) {
			for _, keyword := range []string{"enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "maxItems", "minProperties", "maxProperties", "not"} {
				if _, ok := node[keyword]; !ok || strings.HasSuffix(path, "/not") {
					continue
				}
				checkWords(t, node, keyword, path)
			}
		})
	}
}

func checkWords(t *testing.T, node map[string]any, keyword, path string) {
	t.Helper()
	w := words(node, keyword)
	if w == nil {
		t.Errorf("%s: %s has no words", path, keyword)
		return
	}
	code, _ := w["code"].(string)
	if _, ok := problem.Lookup(code); !ok {
		t.Errorf("%s: code %q is not documented", path, code)
	}
	for _, part := range []string{"message", "fix"} {
		if text, _ := w[part].(string); text == "" || strings.HasSuffix(text, ".") {
			t.Errorf("%s: %s of %s is %q", path, part, keyword, text)
		}
	}
}

func walkSchema(node any, path string, visit func(map[string]any, string)) {
	object, ok := node.(map[string]any)
	if !ok {
		return
	}
	visit(object, path)
	for key, child := range object {
		if key != "x-problems" {
			walkSchema(child, path+"/"+key, visit)
		}
	}
}

func TestPolicySchemasAcceptBothSpellingsAndNameWhatTheyExpect(t *testing.T) {
	t.Parallel()
	type broken struct{ Pointer, Message string }
	for sentence, c := range map[string]struct {
		schema, text string
		want         []broken
	}{
		"the documentation page's spelling": {
			globalPolicySchema,
			`{"retention":{"keepYearly":3},"compression":{"compressor":"zstd","compressionLevel":3},"files":{"dotIgnoreFiles":[".x"]},"scheduling":{"uploadParallelism":4},"actions":{"beforeSnapshotRoot":null}}`, nil,
		},
		"kopia's own spelling": {
			globalPolicySchema,
			`{"retention":{"keepAnnual":3},"compression":{"compressorName":"zstd"},"files":{"ignoreDotFiles":[".x"]},"upload":{"maxParallelFileReads":4},"logging":{"entries":{"cacheHit":5}}}`, nil,
		},
		"a text for a number": {
			globalPolicySchema, `{"retention":{"keepDaily":"seven"}}`,
			[]broken{{"/retention/keepDaily", "the value must be a whole number of at least 0"}},
		},
		"a text for a list": {
			globalPolicySchema, `{"files":{"ignore":"*.tmp"}}`,
			[]broken{{"/files/ignore", "the value must be a list"}},
		},
		"a number inside a list of texts": {
			globalPolicySchema, `{"files":{"ignore":["a",1]}}`,
			[]broken{{"/files/ignore/1", "the value must be text"}},
		},
		"more than everything": {
			repositoryConfigSchema, `{"eccOverheadPercent":300}`,
			[]broken{{"/eccOverheadPercent", "the value must be a whole number of at least 0 and at most 100"}},
		},
		"a policy inside the structured configuration": {
			structuredConfigSchema, `{"policies":{"files":{"oneFileSystem":"yes"}}}`,
			[]broken{{"/policies/files/oneFileSystem", "the value must be true or false"}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			value, err := decodeJSON([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			violations, err := newSchemas().check(c.schema, value)
			if err != nil {
				t.Fatal(err)
			}
			var got []broken
			for _, v := range violations {
				got = append(got, broken{v.pointer, v.problem().Message})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSchemaFilesAreWrittenAsJSONSchema202012(t *testing.T) {
	t.Parallel()
	s := newSchemas()
	for _, name := range schemaNames(t) {
		data, err := json.Marshal(s.raw(name))
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			Schema string `json:"$schema"`
			ID     string `json:"$id"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			t.Fatal(err)
		}
		if head.Schema != "https://json-schema.org/draft/2020-12/schema" || head.ID != schemaBase+name {
			t.Errorf("%s: $schema %q, $id %q", name, head.Schema, head.ID)
		}
	}
}

func schemaNames(t *testing.T) []string {
	t.Helper()
	entries, err := schemaFiles.ReadDir("schema")
	if err != nil || len(entries) != 7 {
		t.Fatalf("%d schemas, %v", len(entries), err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

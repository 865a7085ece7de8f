package crd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/crd"
)

// A rule of a definition must be one of validate's: else the API server would
// refuse an object in which this tool finds no error.
func TestDefinitionsAreNoStricterThanValidate(t *testing.T) {
	t.Parallel()
	for _, d := range crd.Documents() {
		file := strings.ToLower(d.Kind) + ".json"
		compare(t, d.Kind+".spec", property(schemaOf(t, d.Kind), "spec"), reference{file, "/properties/spec"}.node(t))
	}
}

// reference is a place in validate's schema files.
type reference struct{ file, pointer string }

// schemaNode is a node of validate's schema files.
type schemaNode struct {
	file string
	node map[string]any
}

func (r reference) node(t *testing.T) schemaNode {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../validate/schema", r.file))
	if err != nil {
		t.Fatal(err)
	}
	var node any
	if err := json.Unmarshal(data, &node); err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.pointer, "/"), "/") {
		object, _ := node.(map[string]any)
		node = object[part]
	}
	object, _ := node.(map[string]any)
	if target, ok := object["$ref"].(string); ok {
		file, pointer, _ := strings.Cut(target, "#")
		return reference{file, pointer}.node(t)
	}
	return schemaNode{r.file, object}
}

// child follows a reference below the node.
func (s schemaNode) child(t *testing.T, node any) schemaNode {
	t.Helper()
	object, _ := node.(map[string]any)
	if target, ok := object["$ref"].(string); ok {
		file, pointer, _ := strings.Cut(target, "#")
		return reference{file, pointer}.node(t)
	}
	return schemaNode{s.file, object}
}

func compare(t *testing.T, path string, ours map[string]any, validates schemaNode) {
	t.Helper()
	for _, keyword := range rules(ours) {
		if !reflect.DeepEqual(ours[keyword], validates.node[keyword]) {
			t.Errorf("%s: %s is %v, and validate has %v", path, keyword, ours[keyword], validates.node[keyword])
		}
	}
	if kind := validates.node["type"]; kind != nil && ours["type"] != nil && kind != ours["type"] {
		t.Errorf("%s: the type is %v, and validate has %v", path, ours["type"], kind)
	}
	properties, _ := ours["properties"].(map[string]any)
	theirs, _ := validates.node["properties"].(map[string]any)
	for name := range properties {
		compare(t, path+"."+name, property(ours, name), validates.child(t, theirs[name]))
	}
	if items, ok := ours["items"].(map[string]any); ok {
		compare(t, path+"[]", items, validates.child(t, validates.node["items"]))
	}
	if values, ok := ours["additionalProperties"].(map[string]any); ok {
		compare(t, path+".*", values, schemaNode{})
	}
}

// rules are the keywords of a node that can refuse a value of the right type.
func rules(node map[string]any) []string {
	var found []string
	for keyword := range node {
		switch keyword {
		case "type", "description", "properties", "items", "additionalProperties", "default", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string":
		case "format": // of numbers and times, which the Go types ask for too
		case "anyOf", "pattern":
			if node["x-kubernetes-int-or-string"] != true { // a quantity
				found = append(found, keyword)
			}
		default:
			found = append(found, keyword)
		}
	}
	slices.Sort(found)
	return found
}

// Every object is accepted and nothing of it would be pruned, as far as that can
// be said without an API server.
func TestObjectsAreAccepted(t *testing.T) {
	t.Parallel()
	judges := map[string]*jsonschema.Schema{}
	for _, d := range crd.Documents() {
		text, err := json.Marshal(schemaOf(t, d.Kind))
		if err != nil {
			t.Fatal(err)
		}
		if judges[d.Kind], err = jsonschema.CompileString("crd.json", string(text)); err != nil {
			t.Fatal(err)
		}
	}
	accepted := func(from, kind string, object map[string]any) {
		value := plain(t, object)
		if err := judges[kind].Validate(value); err != nil {
			t.Errorf("%s: %#v", from, err)
		}
		for _, path := range pruned(schemaOf(t, kind), value, "") {
			t.Errorf("%s: %s would be pruned", from, path)
		}
	}
	for _, s := range samples(t) {
		accepted(s.from, s.object.GetKind(), map[string]any{"spec": s.object.Object["spec"]})
	}
	for _, kind := range []string{"ReplicationSource", "ReplicationDestination"} {
		accepted("status", kind, map[string]any{"status": everyStatus(t)})
	}
}

// pruned lists the fields that the schema does not know.
func pruned(schema map[string]any, value any, path string) []string {
	if schema["x-kubernetes-preserve-unknown-fields"] == true {
		return nil
	}
	var paths []string
	switch v := value.(type) {
	case map[string]any:
		values, open := schema["additionalProperties"].(map[string]any)
		for name, child := range v {
			known := property(schema, name)
			if open {
				known = values
			}
			if known == nil {
				paths = append(paths, path+"."+name)
				continue
			}
			paths = append(paths, pruned(known, child, path+"."+name)...)
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, child := range v {
			paths = append(paths, pruned(items, child, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	slices.Sort(paths)
	return paths
}

package crd_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/crd"
)

// definition is what the tests want to know of a CustomResourceDefinition.
type definition struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind, ListKind, Plural, Singular string
		} `json:"names"`
		Versions []struct {
			Name         string         `json:"name"`
			Subresources map[string]any `json:"subresources"`
			Columns      []column       `json:"additionalPrinterColumns"`
			Schema       struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

type column struct{ Name, Type, Format, JSONPath string }

func decoded(t *testing.T, d crd.Document) definition {
	t.Helper()
	var def definition
	if err := yaml.Unmarshal([]byte(d.YAML), &def); err != nil {
		t.Fatalf("%s: %v", d.Kind, err)
	}
	if len(def.Spec.Versions) != 1 {
		t.Fatalf("%s has %d versions", d.Kind, len(def.Spec.Versions))
	}
	return def
}

// schemaOf returns the schema of a kind's objects.
func schemaOf(t *testing.T, kind string) map[string]any {
	t.Helper()
	for _, d := range crd.Documents() {
		if d.Kind == kind {
			return decoded(t, d).Spec.Versions[0].Schema.OpenAPIV3Schema
		}
	}
	t.Fatalf("there is no definition of %s", kind)
	return nil
}

func TestDocumentsAreThoseOfVolSync(t *testing.T) {
	t.Parallel()
	sync := []column{
		{"Last sync", "string", "date-time", ".status.lastSyncTime"},
		{"Duration", "string", "", ".status.lastSyncDuration"},
		{"Next sync", "string", "date-time", ".status.nextSyncTime"},
	}
	want := []struct {
		kind, plural string
		columns      []column
	}{
		{"ReplicationSource", "replicationsources", append([]column{{"Source", "string", "", ".spec.sourcePVC"}}, sync...)},
		{"ReplicationDestination", "replicationdestinations", sync},
		{"KopiaMaintenance", "kopiamaintenances", []column{
			{"Repository", "string", "", ".spec.repository.repository"},
			{"Enabled", "boolean", "", ".spec.enabled"},
			{"Schedule", "string", "", ".spec.schedule"},
			{"Suspended", "boolean", "", ".spec.suspend"},
			{"Last Maintenance", "string", "date-time", ".status.lastMaintenanceTime"},
			{"Age", "date", "", ".metadata.creationTimestamp"},
		}},
	}
	documents := crd.Documents()
	if len(documents) != len(want) {
		t.Fatalf("%d documents", len(documents))
	}
	for i, d := range documents {
		def := decoded(t, d)
		version := def.Spec.Versions[0]
		got := []string{
			d.Kind, def.APIVersion, def.Kind, def.Metadata.Name, def.Spec.Group, def.Spec.Scope, version.Name,
			def.Spec.Names.Kind, def.Spec.Names.ListKind, def.Spec.Names.Plural, def.Spec.Names.Singular,
		}
		names := []string{
			want[i].kind, "apiextensions.k8s.io/v1", "CustomResourceDefinition", want[i].plural + ".volsync.backube", "volsync.backube", "Namespaced", "v1alpha1",
			want[i].kind, want[i].kind + "List", want[i].plural, strings.ToLower(want[i].kind),
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.Kind, diff)
		}
		if diff := cmp.Diff(want[i].columns, version.Columns); diff != "" {
			t.Errorf("columns of %s (-want +got):\n%s", d.Kind, diff)
		}
		if _, ok := version.Subresources["status"]; !ok {
			t.Errorf("%s has no status subresource", d.Kind)
		}
	}
}

// kubectl apply keeps the whole object in an annotation, and all annotations of
// an object together may have 256 KiB.
func TestDocumentsFitIntoTheAnnotationOfApply(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	for _, d := range crd.Documents() {
		data, err := yaml.YAMLToJSON([]byte(d.YAML))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > limit*3/4 {
			t.Errorf("%s has %d bytes", d.Kind, len(data))
		}
	}
}

// What apiextensions.k8s.io/v1 asks of a structural schema, as far as these
// definitions could break it, and that each field says what it is.
func TestSchemasAreStructural(t *testing.T) {
	t.Parallel()
	for _, d := range crd.Documents() {
		root := schemaOf(t, d.Kind)
		structural(t, d.Kind, root)
		for _, field := range []string{"spec", "status"} {
			described(t, d.Kind+"."+field, property(root, field))
		}
	}
}

func structural(t *testing.T, path string, node map[string]any) {
	t.Helper()
	for _, keyword := range []string{"$ref", "definitions", "uniqueItems", "patternProperties", "not", "oneOf", "x-problems"} {
		if _, ok := node[keyword]; ok {
			t.Errorf("%s has %s", path, keyword)
		}
	}
	mixed := node["x-kubernetes-int-or-string"] == true
	if _, typed := node["type"].(string); typed == mixed {
		t.Errorf("%s has the type %v", path, node["type"])
	}
	if _, either := node["anyOf"]; either != mixed {
		t.Errorf("%s has anyOf", path)
	}
	properties, hasProperties := node["properties"].(map[string]any)
	values, hasValues := node["additionalProperties"].(map[string]any)
	items, hasItems := node["items"].(map[string]any)
	if hasProperties && node["additionalProperties"] != nil {
		t.Errorf("%s has properties and additionalProperties", path)
	}
	if hasItems != (node["type"] == "array") {
		t.Errorf("%s is of type %v and has the items %v", path, node["type"], node["items"])
	}
	if hasValues {
		structural(t, path+".*", values)
	}
	if hasItems {
		structural(t, path+"[]", items)
	}
	for name := range properties {
		structural(t, path+"."+name, property(node, name))
	}
}

func described(t *testing.T, path string, node map[string]any) {
	t.Helper()
	if text, _ := node["description"].(string); text == "" {
		t.Errorf("%s has no description", path)
	}
	properties, _ := node["properties"].(map[string]any)
	for name := range properties {
		described(t, path+"."+name, property(node, name))
	}
	if items, ok := node["items"].(map[string]any); ok && items["properties"] != nil {
		described(t, path+"[]", items)
	}
}

// property returns the schema of a field, or nil.
func property(node map[string]any, name string) map[string]any {
	properties, _ := node["properties"].(map[string]any)
	child, _ := properties[name].(map[string]any)
	return child
}

func TestDefaultsAreThoseOfVolSync(t *testing.T) {
	t.Parallel()
	for _, d := range crd.Documents() {
		want := map[string]any{}
		if d.Kind == "KopiaMaintenance" {
			want = maintenanceDefaults()
		}
		got := map[string]any{}
		defaultsOf(property(schemaOf(t, d.Kind), "spec"), "", got)
		if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
			t.Errorf("defaults of %s (-want +got):\n%s", d.Kind, diff)
		}
	}
}

func maintenanceDefaults() map[string]any {
	return map[string]any{
		"activeDeadlineSeconds": int64(10800), "enabled": true, "failedJobsHistoryLimit": int64(1),
		"schedule": "0 2 * * *", "successfulJobsHistoryLimit": int64(3),
	}
}

func defaultsOf(node map[string]any, path string, into map[string]any) {
	if value, ok := node["default"]; ok {
		into[strings.TrimPrefix(path, ".")] = value
	}
	properties, _ := node["properties"].(map[string]any)
	for name := range properties {
		defaultsOf(property(node, name), path+"."+name, into)
	}
	if items, ok := node["items"].(map[string]any); ok {
		defaultsOf(items, path+"[]", into)
	}
}

// plain passes a value through JSON, so that its numbers are of one type.
func plain(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOtherMoversAreKept(t *testing.T) {
	t.Parallel()
	for kind, movers := range map[string][]string{
		"ReplicationSource":      {"external", "rclone", "restic", "rsync", "rsyncTLS", "syncthing"},
		"ReplicationDestination": {"external", "rclone", "restic", "rsync", "rsyncTLS"},
		"KopiaMaintenance":       nil,
	} {
		spec := property(schemaOf(t, kind), "spec")
		var kept []string
		properties, _ := spec["properties"].(map[string]any)
		for name := range properties {
			if property(spec, name)["x-kubernetes-preserve-unknown-fields"] == true {
				kept = append(kept, name)
			}
		}
		slices.Sort(kept)
		if diff := cmp.Diff(movers, kept); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

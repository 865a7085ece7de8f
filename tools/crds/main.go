// Command crds writes internal/crd from the JSON schemas of internal/validate and
// the Go types of internal/spec, so that what a cluster stores and what this tool
// reads cannot drift apart. It runs in the root of the module.
//
//	crds -out internal/crd [-check]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// schemas holds the JSON schemas, seen from the root of the module.
const schemas = "internal/validate/schema"

func main() {
	out := flag.String("out", "internal/crd", "directory of the definitions")
	check := flag.Bool("check", false, "write nothing; fail when a definition is out of date")
	flag.Parse()
	if err := run(*out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "crds:", err)
		os.Exit(1)
	}
}

func run(out string, check bool) error {
	files, err := definitions(schemas)
	if err != nil {
		return err
	}
	for name, text := range files {
		name = filepath.Join(out, name)
		if !check {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				return err
			}
			continue
		}
		if old, err := os.ReadFile(name); err != nil || !bytes.Equal(old, text) {
			return fmt.Errorf("%s is out of date; run make crds", name)
		}
	}
	return orphans(out, files, check)
}

// orphans removes the definitions of kinds that are none anymore; with check it
// only says so.
func orphans(out string, files map[string][]byte, check bool) error {
	names, err := filepath.Glob(filepath.Join(out, "*.yaml"))
	if err != nil {
		return err
	}
	for _, name := range names {
		switch _, known := files[filepath.Base(name)]; {
		case known:
		case check:
			return fmt.Errorf("%s is not generated any more; run make crds", name)
		default:
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// definitions returns the text of each definition by its file's name.
func definitions(dir string) (map[string][]byte, error) {
	statuses := map[string]map[string]any{}
	if err := yaml.Unmarshal(statusFile, &statuses); err != nil {
		return nil, fmt.Errorf("status.yaml: %w", err)
	}
	files := map[string][]byte{}
	for _, k := range kinds() {
		c := converter{dir: dir, kind: k, files: map[string]any{}}
		spec, err := c.spec()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		text, err := yaml.Marshal(definition(k, spec, statuses[k.name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		files[k.plural()+".yaml"] = slices.Concat([]byte(head(k)), text)
	}
	return files, nil
}

func head(k kind) string {
	return "# " + k.name + " of VolSync, as kubectl volsync-kopia knows it. Generated: do not edit.\n"
}

// definition is a whole CustomResourceDefinition of apiextensions.k8s.io/v1.
func definition(k kind, spec, status map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": k.plural() + "." + group},
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{
				"kind": k.name, "listKind": k.name + "List", "plural": k.plural(), "singular": strings.ToLower(k.name),
			},
			"versions": []any{map[string]any{
				"name": version, "served": true, "storage": true,
				"additionalPrinterColumns": k.columns,
				"subresources":             map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"description": k.description,
					"type":        "object",
					"properties": map[string]any{
						"apiVersion": map[string]any{"type": "string", "description": "The version of this object's schema: " + group + "/" + version + "."},
						"kind":       map[string]any{"type": "string", "description": "The kind of this object: " + k.name + "."},
						"metadata":   map[string]any{"type": "object"},
						"spec":       spec,
						"status":     status,
					},
				}},
			}},
		},
	}
}

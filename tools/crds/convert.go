package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// converter turns the JSON schema of one kind into the structural schema of its
// definition. The schema says which fields there are and what they mean, the Go
// types say what their values are.
type converter struct {
	dir  string
	kind kind
	// files holds the schema files that were read.
	files map[string]any
	// used are the paths of the kind's rules and defaults that were met.
	used []string
}

// place is a node of a schema file.
type place struct {
	file string
	node map[string]any
}

// spec returns the schema of the kind's spec.
func (c *converter) spec() (map[string]any, error) {
	from, err := c.follow(place{c.kind.schemaFile(), map[string]any{"$ref": "#/properties/spec"}})
	if err != nil {
		return nil, err
	}
	schema, err := c.convert(from, c.kind.spec, "spec")
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Concat(slices.Sorted(maps.Keys(c.kind.rules)), slices.Sorted(maps.Keys(c.kind.defaults))) {
		if !slices.Contains(c.used, path) {
			return nil, fmt.Errorf("%s has a rule or a default, but there is no such field", path)
		}
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return nil, errors.New("spec has no fields")
	}
	for _, mover := range c.kind.movers {
		properties[mover] = map[string]any{
			"description": "Replication with VolSync's " + mover + ", kept as it is: kubectl volsync-kopia does not run it.",
			"type":        "object", "x-kubernetes-preserve-unknown-fields": true,
		}
	}
	return schema, nil
}

// convert returns the schema of a value that the JSON schema and the Go type
// describe together.
func (c *converter) convert(from place, t reflect.Type, path string) (map[string]any, error) {
	from, err := c.follow(from)
	if err != nil {
		return nil, err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var to map[string]any
	switch {
	case t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[spec.Retain]().PkgPath():
		to, err = c.fields(from, t, path)
	case from.node["items"] != nil && t.Kind() == reflect.Slice:
		items, _ := from.node["items"].(map[string]any)
		var item map[string]any
		item, err = c.convert(place{from.file, items}, t.Elem(), path+"[]")
		to = map[string]any{"type": "array", "items": item}
	default:
		to, err = valueOf(t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if description, _ := from.node["description"].(string); description != "" {
		to["description"] = description
	}
	return to, c.judge(from, to, path)
}

// judge adds the rules and the default of the path.
func (c *converter) judge(from place, to map[string]any, path string) error {
	for _, keyword := range c.kind.rules[path] {
		value, ok := from.node[keyword]
		if !ok {
			return fmt.Errorf("%s has no %s in %s", path, keyword, from.file)
		}
		to[keyword] = value
		c.used = append(c.used, path)
	}
	if value, ok := c.kind.defaults[path]; ok {
		to["default"] = value
		c.used = append(c.used, path)
	}
	return nil
}

// fields converts an object of this tool's own types. Schema and type must have
// the same fields.
func (c *converter) fields(from place, t reflect.Type, path string) (map[string]any, error) {
	described, _ := from.node["properties"].(map[string]any)
	properties := map[string]any{}
	for _, f := range reflect.VisibleFields(t) {
		name := jsonName(f)
		if name == "" {
			continue
		}
		node, ok := described[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("field %s is not in %s", name, from.file)
		}
		property, err := c.convert(place{from.file, node}, f.Type, path+"."+name)
		if err != nil {
			return nil, err
		}
		properties[name] = property
	}
	if len(properties) != len(described) {
		return nil, fmt.Errorf("%s describes %d fields, but %s has %d", from.file, len(described), t, len(properties))
	}
	return map[string]any{"type": "object", "properties": properties}, nil
}

// follow resolves references until the node is none.
func (c *converter) follow(from place) (place, error) {
	for {
		reference, ok := from.node["$ref"].(string)
		if !ok {
			return from, nil
		}
		file, pointer, _ := strings.Cut(reference, "#")
		if file == "" {
			file = from.file
		}
		root, err := c.read(file)
		if err != nil {
			return place{}, err
		}
		for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
			object, _ := root.(map[string]any)
			root = object[part]
		}
		node, ok := root.(map[string]any)
		if !ok {
			return place{}, fmt.Errorf("%s of %s leads nowhere", reference, from.file)
		}
		from = place{file, node}
	}
}

func (c *converter) read(file string) (any, error) {
	if root, ok := c.files[file]; ok {
		return root, nil
	}
	data, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		return nil, err
	}
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c.files[file] = root
	return root, nil
}

// jsonName is the name of a field in JSON; empty: it has none of its own.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

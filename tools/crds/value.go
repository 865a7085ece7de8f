package main

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// quantity is the grammar of resource.Quantity.
const quantity = `^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$`

// documented is a type of Kubernetes that knows the descriptions of its fields,
// its own under "".
type documented interface{ SwaggerDoc() map[string]string }

// valueOf returns the schema of a Go value as JSON. Which fields of Kubernetes'
// own types must be there is not said: validate does not ask for them either,
// and the API server does when the pod is made.
func valueOf(t reflect.Type) (map[string]any, error) {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return map[string]any{
			"anyOf":   []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}},
			"pattern": quantity, "x-kubernetes-int-or-string": true,
		}, nil
	case reflect.TypeFor[metav1.Time]():
		return map[string]any{"type": "string", "format": "date-time"}, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return valueOf(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}, nil
	case reflect.Bool:
		return map[string]any{"type": "boolean"}, nil
	case reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer", "format": t.Kind().String()}, nil
	case reflect.Slice:
		items, err := valueOf(t.Elem())
		return map[string]any{"type": "array", "items": items}, err
	case reflect.Map:
		values, err := valueOf(t.Elem())
		return map[string]any{"type": "object", "additionalProperties": values}, err
	case reflect.Struct:
		return structOf(t)
	default:
		return nil, fmt.Errorf("the type %s has no schema", t)
	}
}

func structOf(t reflect.Type) (map[string]any, error) {
	var descriptions map[string]string
	if d, ok := reflect.Zero(t).Interface().(documented); ok {
		descriptions = d.SwaggerDoc()
	}
	properties := map[string]any{}
	for _, f := range reflect.VisibleFields(t) {
		name := jsonName(f)
		if name == "" {
			continue
		}
		property, err := valueOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if text := descriptions[name]; text != "" {
			property["description"] = text
		}
		properties[name] = property
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if text := descriptions[""]; text != "" {
		schema["description"] = text
	}
	return schema, nil
}

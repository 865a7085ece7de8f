package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Template is an object as JSON whose only holes are references, in place of
// the value they stand for. A reference is told from data by its fromStep,
// which is a number: no label, annotation or key of a manifest can look so.
type Template map[string]any

// Ref stands for a field of an object that an earlier step made.
type Ref struct {
	FromStep int `json:"fromStep"`
	// Field is a dotted path, as metadata.uid.
	Field string `json:"field"`
	// AtLeast is a quantity: the larger of the two is used.
	AtLeast string `json:"atLeast,omitempty"`
}

// value is the reference as it stands in a template.
func (r Ref) value() map[string]any {
	v := map[string]any{"fromStep": int64(r.FromStep), "field": r.Field}
	if r.AtLeast != "" {
		v["atLeast"] = r.AtLeast
	}
	return v
}

// refOf returns the reference that v is, if it is one. Numbers are float64
// when the template came from JSON.
func refOf(v map[string]any) (Ref, bool) {
	var step int
	switch n := v["fromStep"].(type) {
	case int64:
		step = int(n)
	case float64:
		step = int(n)
	case json.Number:
		step, _ = strconv.Atoi(n.String())
	}
	field, ok := v["field"].(string)
	if step == 0 || !ok {
		return Ref{}, false
	}
	atLeast, _ := v["atLeast"].(string)
	return Ref{FromStep: step, Field: field, AtLeast: atLeast}, true
}

// newTemplate turns a typed object into a template without the noise of empty
// server-side fields. It goes by way of JSON: the converter of apimachinery copies
// its cache of fields for each one that it meets, which took a third of a plan.
func newTemplate(obj any) (Template, error) {
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("making a template of %T: %w", obj, err)
	}
	var m map[string]any
	if err := utiljson.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("making a template of %T: %w", obj, err)
	}
	delete(m, "status")
	prune(m)
	return m, nil
}

// prune removes null creation timestamps and empty resources at every depth.
func prune(m map[string]any) {
	for key, value := range m {
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 && key == "resources" {
				delete(m, key)
				continue
			}
			prune(v)
		case []any:
			for _, item := range v {
				if child, ok := item.(map[string]any); ok {
					prune(child)
				}
			}
		case nil:
			delete(m, key)
		}
	}
}

// hole puts a reference at the path.
func (t Template) hole(ref Ref, path ...string) error {
	return unstructured.SetNestedMap(t, ref.value(), path...)
}

// ownedBy makes the object of a step the owner. blockOwnerDeletion stays unset:
// setting it needs a right on the owner's finalizers.
func (t Template) ownedBy(owner Template) error {
	return unstructured.SetNestedSlice(t, []any{map[string]any(owner)}, "metadata", "ownerReferences")
}

// Name returns metadata.name.
func (t Template) Name() string {
	name, _, _ := unstructured.NestedString(t, "metadata", "name")
	return name
}

// Refs returns every reference of the template, in no particular order.
func (t Template) Refs() []Ref {
	var refs []Ref
	_, _ = fill(map[string]any(t), func(r Ref) (any, error) {
		refs = append(refs, r)
		return "", nil
	})
	return refs
}

// Fill returns the object with every hole filled by lookup, which is given the
// reference and returns the field's value as text. The template is unchanged.
func (t Template) Fill(lookup func(Ref) (string, error)) (*unstructured.Unstructured, error) {
	filled, err := fill(map[string]any(t), func(r Ref) (any, error) {
		text, err := lookup(r)
		if err != nil {
			return nil, fmt.Errorf("%s of step %d: %w", r.Field, r.FromStep, err)
		}
		return larger(text, r.AtLeast)
	})
	if err != nil {
		return nil, err
	}
	object, _ := filled.(map[string]any)
	return &unstructured.Unstructured{Object: object}, nil
}

// larger returns the larger of two quantities; an empty one does not count.
func larger(found, atLeast string) (string, error) {
	if atLeast == "" {
		return found, nil
	}
	least, err := resource.ParseQuantity(atLeast)
	if err != nil {
		return "", fmt.Errorf("least size %q: %w", atLeast, err)
	}
	if found == "" {
		return atLeast, nil
	}
	size, err := resource.ParseQuantity(found)
	if err != nil {
		return "", fmt.Errorf("size %q: %w", found, err)
	}
	if size.Cmp(least) < 0 {
		return atLeast, nil
	}
	return found, nil
}

// fill copies a JSON value and replaces its references.
func fill(value any, replace func(Ref) (any, error)) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if ref, ok := refOf(v); ok {
			return replace(ref)
		}
		out := maps.Clone(v)
		for key, child := range v {
			filled, err := fill(child, replace)
			if err != nil {
				return nil, err
			}
			out[key] = filled
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			filled, err := fill(child, replace)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	}
	return value, nil
}

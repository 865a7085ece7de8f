package spec

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// hiddenKey stands for a key that may be a part of a Secret's content.
const hiddenKey = "(hidden)"

// lastApplied holds the whole object as kubectl applied it: for a Secret that
// is its content, in clear text.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func secretFields() []string {
	return []string{"apiVersion", "kind", "metadata", "type", "data", "stringData", "immutable"}
}

func configMapFields() []string {
	return []string{"apiVersion", "kind", "metadata", "data", "binaryData", "immutable"}
}

func knownSecretField(name string) bool { return slices.Contains(secretFields(), name) }

// legalDataKey reports whether a key below at may be printed as it stands.
func legalDataKey(key string, at *trail) bool {
	if at == nil || at.up != nil {
		return false
	}
	switch at.name {
	case "data", "stringData", "binaryData":
		return len(validation.IsConfigMapKey(key)) == 0
	default:
		return false
	}
}

// secret decodes a Secret. No problem text ever holds a value of it.
func (d *decoder) secret(root *yaml.Node) *Secret {
	s := &Secret{Data: make(map[string]secret.Value)}
	var plain []datum
	d.dataObject(root, secretFields(), map[string]func(*yaml.Node, *trail){
		"metadata": func(n *yaml.Node, at *trail) { d.value(n, reflect.ValueOf(&s.Metadata).Elem(), at) },
		"type":     func(n *yaml.Node, at *trail) { d.value(n, reflect.ValueOf(&s.Type).Elem(), at) },
		"data": func(n *yaml.Node, at *trail) {
			for _, e := range d.data(n, at, d.binary) {
				s.Data[e.key] = secret.New(e.content)
			}
		},
		"stringData": func(n *yaml.Node, at *trail) { plain = d.data(n, at, d.plain) },
	})
	for _, e := range plain {
		s.Data[e.key] = secret.New(e.content)
	}
	delete(s.Metadata.Annotations, lastApplied)
	return s
}

// configMap decodes a ConfigMap. A key must not stand in data and binaryData.
func (d *decoder) configMap(root *yaml.Node) *ConfigMap {
	c := &ConfigMap{Data: make(map[string]string)}
	add := func(entries []datum) {
		for _, e := range entries {
			if _, twice := c.Data[e.key]; twice {
				d.report(e.node, top("binaryData").field(e.key), finding{
					code:    codeDataKey,
					message: "the key stands in data and in binaryData",
					fix:     "keep one of them",
				})
			}
			c.Data[e.key] = string(e.content)
		}
	}
	var binary []datum
	d.dataObject(root, configMapFields(), map[string]func(*yaml.Node, *trail){
		"metadata":   func(n *yaml.Node, at *trail) { d.value(n, reflect.ValueOf(&c.Metadata).Elem(), at) },
		"data":       func(n *yaml.Node, at *trail) { add(d.data(n, at, d.plain)) },
		"binaryData": func(n *yaml.Node, at *trail) { binary = d.data(n, at, d.binary) },
	})
	add(binary)
	return c
}

// dataObject walks the top level of a Secret or ConfigMap.
func (d *decoder) dataObject(root *yaml.Node, known []string, decode map[string]func(*yaml.Node, *trail)) {
	fields, _ := d.fieldsOf(root, nil)
	for _, f := range fields {
		name := f.key.Value
		at := top(name)
		switch {
		case decode[name] != nil:
			if !isNull(follow(f.value)) {
				decode[name](f.value, at)
			}
		case slices.Contains(known, name):
		case d.kind == KindSecret:
			d.report(f.key, nil, unknownSecretField(nearest(name, known)))
		default:
			d.report(f.key, at, unknownField(name, nearest(name, known)))
		}
	}
}

// unknownSecretField does not print the key: it may be text that slipped out of
// a value.
func unknownSecretField(near string) finding {
	f := finding{
		code:    codeUnknownField,
		message: "a Secret has no such field (not shown, as it may be a part of the content)",
		fix:     "indent it if it belongs to a value of data or stringData",
	}
	if near != "" {
		f.message += fmt.Sprintf("; did you mean %q?", near)
		f.fix = fmt.Sprintf("rename it to %q", near)
	}
	return f
}

// datum is one key of data, stringData or binaryData.
type datum struct {
	key     string
	node    *yaml.Node
	content []byte
}

func (d *decoder) data(n *yaml.Node, at *trail, content func(*yaml.Node, *trail) ([]byte, bool)) []datum {
	fields, ok := d.fieldsOf(n, at)
	if !ok {
		return nil
	}
	out := make([]datum, 0, len(fields))
	for _, f := range fields {
		if len(validation.IsConfigMapKey(f.key.Value)) > 0 {
			d.report(f.key, at, finding{
				code:    codeDataKey,
				message: "a key here is not legal: at most 253 letters, digits, \"-\", \"_\" and \".\"",
				fix:     "rename the key; if it is a part of a value, indent it",
			})
			continue
		}
		if isNull(follow(f.value)) {
			out = append(out, datum{key: f.key.Value, node: f.key})
			continue
		}
		if b, ok := content(f.value, at.field(f.key.Value)); ok {
			out = append(out, datum{f.key.Value, f.key, b})
		}
	}
	return out
}

func (d *decoder) plain(n *yaml.Node, at *trail) ([]byte, bool) {
	var s string
	before := len(*d.problems)
	d.scalar(n, reflect.ValueOf(&s).Elem(), at)
	return []byte(s), len(*d.problems) == before
}

func (d *decoder) binary(n *yaml.Node, at *trail) ([]byte, bool) {
	encoded, ok := d.plain(n, at)
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil {
		d.unreadable(n, at, finding{
			code:    codeBase64,
			message: "the value is not base64",
			fix:     base64Fix(d.kind),
		})
		return nil, false
	}
	return b, true
}

func base64Fix(kind string) string {
	if kind == KindSecret {
		return "encode it (base64 -w0), or write it as plain text under stringData"
	}
	return "encode it (base64 -w0), or write it as plain text under data"
}

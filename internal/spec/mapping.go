package spec

import (
	"go.yaml.in/yaml/v3"
)

// entry is one field of a YAML mapping.
type entry struct{ key, value *yaml.Node }

const mergeTag = "!!merge"

// follow returns the node that an alias stands for, else n.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// entries returns the fields of a mapping in order, merge keys ("<<") expanded
// as YAML wants it: a field of the mapping itself wins. Keys that appear twice in
// the mapping itself are returned apart.
func entries(n *yaml.Node) (fields []entry, twice []*yaml.Node) {
	n = follow(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	c := collector{fields: make([]entry, 0, len(n.Content)/2)}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == mergeTag {
			merges = append(merges, value)
			continue
		}
		if !c.add(entry{follow(key), value}) {
			twice = append(twice, key)
		}
	}
	for _, m := range merges {
		for _, e := range merged(m) {
			c.add(e)
		}
	}
	return c.fields, twice
}

func merged(n *yaml.Node) []entry {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		fields, _ := entries(n)
		return fields
	}
	var all []entry
	for _, item := range n.Content {
		fields, _ := entries(item)
		all = append(all, fields...)
	}
	return all
}

// collector keeps the first entry of each key. Most mappings are small, where
// looking at each beats an index.
type collector struct {
	fields []entry
	index  map[string]bool
}

const indexFrom = 16

func (c *collector) add(e entry) bool {
	if e.key.Kind != yaml.ScalarNode {
		c.fields = append(c.fields, e)
		return true
	}
	if c.has(e.key.Value) {
		return false
	}
	c.fields = append(c.fields, e)
	if c.index != nil {
		c.index[e.key.Value] = true
	}
	return true
}

func (c *collector) has(key string) bool {
	if c.index == nil && len(c.fields) >= indexFrom {
		c.index = make(map[string]bool, 2*len(c.fields))
		for _, f := range c.fields {
			if f.key.Kind == yaml.ScalarNode {
				c.index[f.key.Value] = true
			}
		}
	}
	if c.index != nil {
		return c.index[key]
	}
	for _, f := range c.fields {
		if f.key.Kind == yaml.ScalarNode && f.key.Value == key {
			return true
		}
	}
	return false
}

// lookup returns the field's key and value, or nils.
func lookup(n *yaml.Node, name string) (key, value *yaml.Node) {
	fields, _ := entries(n)
	for _, f := range fields {
		if f.key.Kind == yaml.ScalarNode && f.key.Value == name {
			return f.key, f.value
		}
	}
	return nil, nil
}

// text returns the field's value when it is a scalar, else "".
func text(n *yaml.Node, name string) string {
	_, v := lookup(n, name)
	if v = follow(v); v == nil || v.Kind != yaml.ScalarNode || isNull(v) {
		return ""
	}
	return v.Value
}

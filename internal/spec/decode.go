package spec

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// decoder turns the nodes of one document into Go values and notes every
// problem on the way; what is wrong is left at its zero value, or unset.
type decoder struct {
	schema    *schema
	positions *positions
	kind      string
	object    string
	// free holds the scalars that a substitution changed: they take whatever
	// type their field wants.
	free     map[*yaml.Node]bool
	problems *problem.List
	// unread are the paths of the fields whose value could not be read.
	unread map[string]bool
}

// unreadable reports a value that stands in the manifest and cannot be read, unless
// that is known of it already.
func (d *decoder) unreadable(n *yaml.Node, at *trail, f finding) {
	if d.isUnread(at) {
		return
	}
	d.markUnread(at)
	d.report(n, at, f)
}

func (d *decoder) markUnread(at *trail) {
	if d.unread == nil {
		d.unread = map[string]bool{}
	}
	d.unread[at.String()] = true
}

func (d *decoder) isUnread(at *trail) bool { return len(d.unread) > 0 && d.unread[at.String()] }

// finding is a problem before its position and object are known.
type finding struct {
	code     string
	severity problem.Severity
	message  string
	fix      string
}

func (d *decoder) report(n *yaml.Node, at *trail, f finding) {
	if f.severity == "" {
		f.severity = problem.Error
	}
	*d.problems = append(*d.problems, problem.Problem{
		Code:     f.code,
		Severity: f.severity,
		Position: d.positions.of(n),
		Object:   d.object,
		Path:     at.String(),
		Message:  f.message,
		Fix:      f.fix,
	})
}

// value decodes n into v. A null leaves v as it is, as Kubernetes does.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at *trail) {
	use := n
	n = follow(n)
	if isNull(n) {
		return
	}
	switch v.Type() {
	case reflect.TypeFor[resource.Quantity]():
		d.quantity(use, v, at)
		return
	case reflect.TypeFor[metav1.Time]():
		d.time(use, v, at)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		d.pointer(use, v, at)
	case reflect.Struct:
		d.structure(use, v, at)
	case reflect.Map:
		d.stringMap(use, v, at)
	case reflect.Slice:
		d.list(use, v, at)
	default:
		d.scalar(use, v, at)
	}
}

// pointer decodes what is optional. A single value that is wrong is not set: the zero
// that nobody wrote must not be judged.
func (d *decoder) pointer(n *yaml.Node, v reflect.Value, at *trail) {
	reported := len(*d.problems)
	target := reflect.New(v.Type().Elem())
	d.value(n, target.Elem(), at)
	if (len(*d.problems) > reported || d.isUnread(at)) && isSingle(target.Type().Elem()) {
		return
	}
	v.Set(target)
}

// isSingle reports whether the type is written as one scalar.
func isSingle(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[resource.Quantity](), reflect.TypeFor[metav1.Time]():
		return true
	}
	return t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, at *trail) {
	fields, ok := d.fieldsOf(n, at)
	if !ok {
		return
	}
	info := d.schema.of(v.Type())
	for _, f := range fields {
		index, known := info.fields[f.key.Value]
		if !known {
			d.unknown(f.key, v.Type(), at)
			continue
		}
		d.value(f.value, v.FieldByIndex(index), at.field(f.key.Value))
	}
}

// fieldsOf returns the fields of a mapping; anything else is reported.
func (d *decoder) fieldsOf(n *yaml.Node, at *trail) ([]entry, bool) {
	if follow(n).Kind != yaml.MappingNode {
		d.wrongType(n, at, "an object")
		return nil, false
	}
	all, twice := entries(n)
	for _, key := range twice {
		place := at
		if name := d.shownKey(key, at); name != hiddenKey {
			place = at.field(name)
		}
		d.report(key, place, finding{
			code:    codeDuplicateKey,
			message: "the key appears twice in the same object; only one of the values can count",
			fix:     "remove one of them",
		})
	}
	fields := all[:0]
	for _, f := range all {
		if f.key.Kind != yaml.ScalarNode || isNull(f.key) {
			d.report(f.key, at, finding{
				code:    codeWrongType,
				message: "a key of this object is not text",
				fix:     "write keys as plain text",
			})
			continue
		}
		fields = append(fields, f)
	}
	return fields, true
}

func (d *decoder) stringMap(n *yaml.Node, v reflect.Value, at *trail) {
	fields, ok := d.fieldsOf(n, at)
	if !ok {
		return
	}
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, len(fields)))
	for _, f := range fields {
		target := reflect.New(t.Elem()).Elem()
		d.value(f.value, target, at.field(f.key.Value))
		v.SetMapIndex(reflect.ValueOf(f.key.Value).Convert(t.Key()), target)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, at *trail) {
	items := follow(n)
	if items.Kind != yaml.SequenceNode {
		d.wrongType(n, at, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items.Content), len(items.Content)))
	for i, item := range items.Content {
		d.value(item, v.Index(i), at.item(i))
	}
}

// wrongType reports a node of another type than its field; never its value.
func (d *decoder) wrongType(n *yaml.Node, at *trail, want string) {
	have := typeName(follow(n))
	d.unreadable(n, at, finding{
		code:    codeWrongType,
		message: fmt.Sprintf("%s where %s is wanted", have, want),
		fix:     typeFix(follow(n), want),
	})
}

func typeFix(n *yaml.Node, want string) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	switch want {
	case "a string":
		return "put the value in quotes"
	case "a boolean":
		return "write true or false, without quotes"
	case "an integer":
		return "write a whole number, without quotes"
	case "a timestamp":
		return timestampFix
	case "a list":
		return "write it as a list: a line of its own that starts with \"- \""
	default:
		return ""
	}
}

// shownKey is the name of a key as problems may print it. In a Secret a key
// that is not a legal data key is text that slipped out of a value.
func (d *decoder) shownKey(key *yaml.Node, at *trail) string {
	if d.kind == KindSecret && !(at == nil && knownSecretField(key.Value)) && !legalDataKey(key.Value, at) {
		return hiddenKey
	}
	return key.Value
}

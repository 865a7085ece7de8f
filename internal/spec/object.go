package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// group is the API group of the VolSync kinds.
const group = "volsync.backube"

// document reads one object, or the objects of a List.
func (r *reader) document(d *decoder) {
	root := d.positions.root
	if root.Kind != yaml.MappingNode {
		d.wrongType(root, nil, "an object")
		return
	}
	apiVersion, kind := text(root, "apiVersion"), text(root, "kind")
	if r.incomplete(d, apiVersion, kind) {
		return
	}
	if strings.HasSuffix(kind, "List") && slices.Contains(ourKinds(), strings.TrimSuffix(kind, "List")) || kind == "List" && apiVersion == "v1" {
		r.list(d)
		return
	}
	switch c := classify(apiVersion, kind); {
	case c.ours:
		r.object(d, kind)
	case c.fix != "":
		d.report(kindNode(root, c.field), top(c.field), finding{code: codeUnknownKind, message: c.message, fix: c.fix})
	default:
		_, metadata := lookup(root, "metadata")
		d.object = objectName(kind, text(metadata, "namespace"), text(metadata, "name"))
		d.report(kindNode(root, "kind"), nil, finding{
			code:     codeIgnored,
			severity: problem.Info,
			message:  fmt.Sprintf("objects of the kind %s (%s) are ignored", quoted(kind), quoted(apiVersion)),
		})
	}
}

func kindNode(root *yaml.Node, field string) *yaml.Node {
	key, value := lookup(root, field)
	return anchorOf(key, value)
}

func (r *reader) incomplete(d *decoder, apiVersion, kind string) bool {
	if apiVersion != "" && kind != "" {
		return false
	}
	var missing []string
	if apiVersion == "" {
		missing = append(missing, "apiVersion")
	}
	if kind == "" {
		missing = append(missing, "kind")
	}
	d.report(d.positions.root, nil, finding{
		code:    codeIncomplete,
		message: "not a Kubernetes object: " + strings.Join(missing, " and ") + " missing",
		fix:     fmt.Sprintf("begin the document with \"apiVersion: %s\" and its kind, as \"kind: %s\"", GroupVersion, KindReplicationSource),
	})
	return true
}

func ourKinds() []string {
	return append(volsyncKinds(), coreKinds()...)
}

func volsyncKinds() []string {
	return []string{KindReplicationSource, KindReplicationDestination, KindKopiaMaintenance}
}

func coreKinds() []string { return []string{KindSecret, KindConfigMap} }

// class is what an apiVersion and kind are: ours, a mistake (with a fix), or
// something else in the same file.
type class struct {
	ours    bool
	field   string
	message string
	fix     string
}

func classify(apiVersion, kind string) class {
	theirGroup, _, grouped := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion == GroupVersion && slices.Contains(volsyncKinds(), kind):
		return class{ours: true}
	case apiVersion == "v1" && slices.Contains(coreKinds(), kind):
		return class{ours: true}
	case slices.Contains(volsyncKinds(), kind):
		return wrongVersion(apiVersion, kind, GroupVersion)
	case slices.Contains(coreKinds(), kind) && (!grouped || theirGroup == "core"):
		return wrongVersion(apiVersion, kind, "v1")
	case theirGroup == group || levenshtein.ComputeDistance(cut(theirGroup), group) <= 2:
		return wrongKind(apiVersion, kind, volsyncKinds())
	case apiVersion == "v1" && slip(kind, coreKinds()) != "":
		return wrongKind(apiVersion, kind, coreKinds())
	case slip(kind, volsyncKinds()) != "":
		return wrongKind(apiVersion, kind, volsyncKinds())
	default:
		return class{}
	}
}

// cut bounds what is compared.
func cut(s string) string { return s[:min(len(s), 2*len(group))] }

// slip returns the kind that differs from name by at most two characters.
func slip(name string, kinds []string) string {
	for _, k := range kinds {
		if len(name) <= len(k)+2 && levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)) <= 2 {
			return k
		}
	}
	return ""
}

func wrongVersion(apiVersion, kind, want string) class {
	return class{
		field:   "apiVersion",
		message: fmt.Sprintf("%s of the apiVersion %s is not known; did you mean %q?", kind, quoted(apiVersion), want),
		fix:     "write apiVersion: " + want,
	}
}

func wrongKind(apiVersion, kind string, kinds []string) class {
	c := class{
		field:   "kind",
		message: fmt.Sprintf("the kind %s of %s is not known", quoted(kind), quoted(apiVersion)),
		fix:     "use one of " + strings.Join(kinds, ", "),
	}
	if near := nearest(kind, kinds); near != "" {
		c.message += fmt.Sprintf("; did you mean %q?", near)
		c.fix = "write kind: " + near
	}
	return c
}

// object decodes an object of ours and keeps it.
func (r *reader) object(d *decoder, kind string) {
	root := d.positions.root
	d.kind = kind
	_, metadata := lookup(root, "metadata")
	d.object = objectName(kind, text(metadata, "namespace"), text(metadata, "name"))
	if r.opts.Envsubst {
		d.substitute(r.opts.Lookup)
		d.object = objectName(kind, text(metadata, "namespace"), text(metadata, "name"))
	}
	doc := &Document{At: d.positions.of(root), positions: d.positions}
	switch kind {
	case KindReplicationSource:
		doc.Source = &ReplicationSource{}
		d.structure(root, reflect.ValueOf(doc.Source).Elem(), nil)
	case KindReplicationDestination:
		doc.Destination = &ReplicationDestination{}
		d.structure(root, reflect.ValueOf(doc.Destination).Elem(), nil)
	case KindKopiaMaintenance:
		doc.Maintenance = &KopiaMaintenance{}
		d.structure(root, reflect.ValueOf(doc.Maintenance).Elem(), nil)
		d.deprecated(doc)
	case KindSecret:
		doc.Secret = d.secret(root)
	case KindConfigMap:
		doc.ConfigMap = d.configMap(root)
	}
	d.names(doc)
	doc.unread = d.unread
	r.documents = append(r.documents, doc)
	r.once(d, doc)
}

func (d *decoder) deprecated(doc *Document) {
	if doc.Maintenance.Spec.Schedule == "" {
		return
	}
	key, _ := lookup(follow(second(lookup(d.positions.root, "spec"))), "schedule")
	d.report(key, top("spec").field("schedule"), finding{
		code:     codeDeprecated,
		severity: problem.Info,
		message:  "spec.schedule is deprecated in favour of spec.trigger.schedule",
		fix:      "write it as spec.trigger.schedule",
	})
}

func second(_, value *yaml.Node) *yaml.Node { return value }

// names checks metadata.name and namespace.
func (d *decoder) names(doc *Document) {
	m, at := doc.Metadata(), top("metadata")
	key, metadata := lookup(d.positions.root, "metadata")
	place := func(field string) *yaml.Node {
		if k, v := lookup(metadata, field); v != nil {
			return anchorOf(k, v)
		}
		if key == nil {
			return d.positions.root
		}
		return key
	}
	switch {
	case m.Name == "" && text(metadata, "generateName") != "":
		d.badName(place("generateName"), at.field("generateName"), "generateName cannot be used: the identity of a backup comes from the name", "give the object a fixed metadata.name")
	case m.Name == "":
		d.badName(place("name"), at.field("name"), "the object has no name", "set metadata.name")
	default:
		if why := validation.IsDNS1123Subdomain(m.Name); len(why) > 0 {
			d.badName(place("name"), at.field("name"), "not a legal name of a Kubernetes object", "use at most 253 lower-case letters, digits, \"-\" and \".\", a letter or digit at both ends")
		}
	}
	if m.Namespace != "" && len(validation.IsDNS1123Label(m.Namespace)) > 0 {
		d.badName(place("namespace"), at.field("namespace"), "not a legal name of a namespace", "use at most 63 lower-case letters, digits and \"-\", a letter or digit at both ends")
	}
}

func (d *decoder) badName(n *yaml.Node, at *trail, message, fix string) {
	d.report(n, at, finding{code: codeName, message: message, fix: fix})
}

// once reports an object that an earlier document defines too.
func (r *reader) once(d *decoder, doc *Document) {
	m := doc.Metadata()
	if m.Name == "" {
		return
	}
	key := objectKey{doc.Kind(), m.Namespace, m.Name}
	if first, twice := r.seen[key]; twice {
		d.report(d.positions.root, nil, finding{
			code:    codeDefinedTwice,
			message: "the object is defined twice; it stands also at " + first.String(),
			fix:     "remove one of them",
		})
		return
	}
	r.seen[key] = doc.At
}

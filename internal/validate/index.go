package validate

import (
	"cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// objectKey names a Secret or ConfigMap; an empty namespace is the one that the
// reader will be in.
type objectKey struct{ namespace, name string }

func keyOf(d *spec.Document) objectKey {
	m := d.Metadata()
	return objectKey{m.Namespace, m.Name}
}

// objects are the Secrets or the ConfigMaps of the input.
type objects struct {
	byKey map[objectKey]*spec.Document
	// byName has of each name the one whose namespace comes first.
	byName map[string]*spec.Document
}

func newObjects() objects {
	return objects{byKey: map[objectKey]*spec.Document{}, byName: map[string]*spec.Document{}}
}

func (o objects) add(d *spec.Document) {
	key := keyOf(d)
	o.byKey[key] = d
	if first := o.byName[key.name]; first == nil || key.namespace <= first.Metadata().Namespace {
		o.byName[key.name] = d
	}
}

// find finds an object of the namespace. A document without a namespace goes
// wherever it is applied, so it fits every namespace, and a reader without one
// may be meant for any.
func (o objects) find(namespace, name string) *spec.Document {
	switch d := o.byKey[objectKey{namespace, name}]; {
	case d != nil:
		return d
	case namespace != "":
		return o.byKey[objectKey{"", name}]
	}
	return o.byName[name]
}

// referenceKind says what a document wants of the Secret or ConfigMap it names.
type referenceKind int

const (
	repositoryReference referenceKind = iota
	policyReference
	caReference
)

// reference is what is kept of a document until every Secret and ConfigMap has
// been seen.
type reference struct {
	kind              referenceKind
	position          problem.Position
	object, namespace string
	// path is the field that names the object.
	path string
	// name is that of the Secret, or with configMap of the ConfigMap.
	name      string
	configMap bool
	// keys are the wanted keys, with the fields that name them.
	keys [2]wantedKey
	// storage is what the document itself says about the repository's place.
	storage result.Storage
}

// wantedKey is a key of a ConfigMap or Secret; position is set if the manifest
// itself names it, and otherwise the key is a default that may be absent.
type wantedKey struct {
	name, path string
	position   problem.Position
}

func (w wantedKey) named() bool { return w.path != "" }

func (c *check) refer(r reference) {
	r.object = c.doc.Object()
	r.namespace = c.doc.Metadata().Namespace
	r.position = c.doc.Position(r.path)
	c.v.references = append(c.v.references, r)
}

// target returns the document that the reference names, or nil if the input
// does not hold it: then there is nothing to judge offline.
func (v *Validator) target(r *reference) *spec.Document {
	if r.configMap {
		return v.configMaps.find(r.namespace, r.name)
	}
	return v.secrets.find(r.namespace, r.name)
}

// resolveReferences judges each reference once; what is wrong in the object
// itself is said once, however many documents refer to it.
func (v *Validator) resolveReferences() {
	seen := map[string]bool{}
	for i := range v.references {
		r := &v.references[i]
		target := v.target(r)
		if target == nil {
			continue
		}
		switch r.kind {
		case repositoryReference:
			v.repositorySecret(r, target, seen)
		case policyReference:
			v.policyFiles(r, target, seen)
		case caReference:
			v.customCAKey(r, target)
		case actionsReference:
			v.actionsFile(r, target)
		}
	}
}

// once reports whether the name is new, and remembers it.
func once(seen map[string]bool, name string) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	return true
}

func (v *Validator) reportAt(r *reference, severity problem.Severity, key wantedKey, p problem.Problem) {
	p.Severity, p.Object = severity, r.object
	p.Path = cmp.Or(key.path, r.path)
	p.Position = r.position
	if key.named() {
		p.Position = key.position
	}
	v.found = append(v.found, p)
}

// contentOf returns the bytes below a key of a Secret or ConfigMap. The content
// of a Secret must not reach any message.
func contentOf(d *spec.Document, key string) ([]byte, bool) {
	if d.ConfigMap != nil {
		text, ok := d.ConfigMap.Data[key]
		return []byte(text), ok
	}
	var value secret.Value
	value, ok := d.Secret.Data[key]
	return value.Reveal(), ok
}

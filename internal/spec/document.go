package spec

import (
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// Document is one decoded document of the input; exactly one of the object
// fields is set. A document with problems is kept as far as it was understood.
type Document struct {
	// At is the position of the document's first line.
	At          problem.Position
	Source      *ReplicationSource
	Destination *ReplicationDestination
	Maintenance *KopiaMaintenance
	Secret      *Secret
	ConfigMap   *ConfigMap

	positions *positions
	// unread are the paths of fields that stand in the manifest with a value that
	// could not be read.
	unread map[string]bool
}

// Unread reports whether the field of a path, as spec.kopia.repository, or one that it
// is in, has a value that could not be read. Parse has said so; the field is not missing.
func (d *Document) Unread(path string) bool {
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if d.unread[at] {
			return true
		}
	}
	return false
}

// UnreadKey reports whether the key of a Secret or ConfigMap has a value that could not
// be read.
func (d *Document) UnreadKey(key string) bool {
	for _, field := range []string{"data", "stringData", "binaryData"} {
		if at := top(field); d.unread[at.String()] || d.unread[at.field(key).String()] {
			return true
		}
	}
	return false
}

// HasSynced reports whether the manifest's own status, as kubectl get -o yaml
// prints it, knows of a synchronisation. Nothing else of it is used: it may be old,
// and the object in the cluster has a newer one.
func (d *Document) HasSynced() bool {
	if d.positions == nil {
		return false
	}
	_, status := lookup(d.positions.root, "status")
	return text(status, "lastSyncTime") != ""
}

// Set is everything that was read, in the order of the input.
type Set struct {
	Documents []*Document
}

// Kind returns the kind of the document's object, as "ReplicationSource".
func (d *Document) Kind() string {
	switch {
	case d.Source != nil:
		return KindReplicationSource
	case d.Destination != nil:
		return KindReplicationDestination
	case d.Maintenance != nil:
		return KindKopiaMaintenance
	case d.Secret != nil:
		return KindSecret
	case d.ConfigMap != nil:
		return KindConfigMap
	default:
		return ""
	}
}

// Metadata returns the metadata of the document's object; never nil.
func (d *Document) Metadata() *Metadata {
	switch {
	case d.Source != nil:
		return &d.Source.Metadata
	case d.Destination != nil:
		return &d.Destination.Metadata
	case d.Maintenance != nil:
		return &d.Maintenance.Metadata
	case d.Secret != nil:
		return &d.Secret.Metadata
	case d.ConfigMap != nil:
		return &d.ConfigMap.Metadata
	default:
		return &Metadata{}
	}
}

// Object names the document's object for a reader, as "ReplicationSource
// prod/app"; the namespace is left out when the input gives none.
func (d *Document) Object() string {
	m := d.Metadata()
	return objectName(d.Kind(), m.Namespace, m.Name)
}

func objectName(kind, namespace, name string) string {
	switch {
	case name == "":
		return kind
	case namespace == "":
		return kind + " " + name
	default:
		return kind + " " + namespace + "/" + name
	}
}

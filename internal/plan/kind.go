package plan

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// kind is what differs between the kinds of objects of which runs are made, for the parts
// of a plan that all of them share.
type kind struct {
	// resource is the kind's name in the API; names is that of its runs' objects.
	resource string
	names    NameKind
	// base is where the fields stand that a ReplicationSource has below spec.kopia, and
	// fields where those of another name or place do.
	base   string
	fields map[string]string
	// pause is the merge patch that makes an operator leave an object alone, and pausing
	// the word for it.
	pause, pausing string
}

func sourceKind() kind {
	return kind{
		resource: "replicationsources", names: NameSource, base: "spec.kopia",
		pause: `{"spec":{"paused":true}}`, pausing: "pause",
	}
}

func maintenanceKind() kind {
	return kind{
		resource: "kopiamaintenances", names: NameMaintenance, base: "spec",
		fields: spec.MaintenanceFields(),
		pause:  `{"spec":{"suspend":true}}`, pausing: "suspend",
	}
}

// kindOf is the kind of the document's object.
func kindOf(d *spec.Document) kind {
	if d.Maintenance != nil {
		return maintenanceKind()
	}
	return sourceKind()
}

// operation is what the object's runs do.
func (b *builder) operation() result.Operation {
	if b.upkeep != nil {
		return result.OperationMaintenance
	}
	return result.OperationBackup
}

// field is the path of a field by the name that a ReplicationSource has for it below
// spec.kopia, as spec.kopia.cacheCapacity.
func (b *builder) field(name string) string { return b.kind.base + "." + b.fieldName(name) }

// fieldName is the field's own name in this kind.
func (b *builder) fieldName(name string) string {
	if other, differs := b.kind.fields[name]; differs {
		return other
	}
	return name
}

// hold is a field that keeps an object from running by itself.
type hold struct {
	// field is its path, state the word for the object, lift how to end it.
	field, state, lift string
}

// holdOf returns what holds the document's own object; nil: nothing.
func holdOf(d *spec.Document) *hold {
	switch {
	case d.Source != nil:
		return holdOfSource(&d.Source.Spec)
	case d.Maintenance != nil:
		return holdOfMaintenance(&d.Maintenance.Spec)
	}
	return nil
}

func holdOfSource(s *spec.ReplicationSourceSpec) *hold {
	if !s.Paused {
		return nil
	}
	return &hold{"spec.paused", "paused", "set spec.paused to false"}
}

func holdOfMaintenance(s *spec.KopiaMaintenanceSpec) *hold {
	suspended, disabled := s.Suspend != nil && *s.Suspend, s.Enabled != nil && !*s.Enabled
	switch {
	case suspended && disabled:
		return &hold{"spec.suspend", "suspended and disabled", "set spec.suspend to false and spec.enabled to true"}
	case suspended:
		return &hold{"spec.suspend", "suspended", "set spec.suspend to false"}
	case disabled:
		return &hold{"spec.enabled", "disabled", "set spec.enabled to true"}
	}
	return nil
}

// liveSpec is what a plan wants to know of the live object's spec.
type liveSpec struct {
	// hold is what holds the object there, and same whether its spec is the manifest's.
	hold *hold
	same bool
}

// liveSpec decodes the live object's spec, or returns nil.
func (b *builder) liveSpec() *liveSpec {
	live := b.in.Facts.Object
	if live == nil || len(live.Spec) == 0 {
		return nil
	}
	if m := b.in.Document.Maintenance; m != nil {
		var s spec.KopiaMaintenanceSpec
		if json.Unmarshal(live.Spec, &s) != nil {
			return nil
		}
		return &liveSpec{holdOfMaintenance(&s), equality.Semantic.DeepEqual(s.Defaulted(), m.Spec.Defaulted())}
	}
	var s spec.ReplicationSourceSpec
	if json.Unmarshal(live.Spec, &s) != nil {
		return nil
	}
	return &liveSpec{holdOfSource(&s), equality.Semantic.DeepEqual(s, b.source.Spec)}
}

// singular is the name of the kind for kubectl, as replicationsource.
func (k kind) singular() string { return strings.TrimSuffix(k.resource, "s") }

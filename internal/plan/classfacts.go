package plan

import (
	"cmp"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// KindClassFacts is the kind of a ClassFacts document.
const KindClassFacts = "ClassFacts"

// ClassFacts are the facts that lie outside a namespace, as they were once. Who has
// them needs no right out there.
type ClassFacts struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Namespace is that of the runs that they are for.
	Namespace string `json:"namespace"`
	// StorageClass is that of the source's claim. With another one, a claim that was made
	// anew, no class is known but those below.
	StorageClass string `json:"storageClass,omitempty"`
	// SnapshotAPI tells whether snapshot.storage.k8s.io/v1 is served.
	SnapshotAPI bool `json:"snapshotAPI,omitempty"`
	// StorageClasses and SnapshotClasses are those that a plan can look at: of the drivers
	// of the source's claims, named by the manifest, or the default.
	StorageClasses  []StorageClass  `json:"storageClasses,omitempty"`
	SnapshotClasses []SnapshotClass `json:"snapshotClasses,omitempty"`
	// Volumes are those behind the claims that the source names.
	Volumes []Volume  `json:"volumes,omitempty"`
	Unknown []Unknown `json:"unknown,omitempty"`
}

// notReadable is why a class fact is unknown. The API server's own words name the caller,
// and would differ with everybody who makes the schedule.
const notReadable = "it could not be read when the schedule was made"

// classFacts are the class facts among the facts: what the source's runs can look at, and
// nothing that changes though nobody has changed it. A claim is known by its uid to one
// cluster and until it is made anew, and the cache is made by the first run.
func (b *builder) classFacts() ClassFacts {
	f := &b.in.Facts
	c := ClassFacts{APIVersion: result.APIVersion, Kind: KindClassFacts, Namespace: b.object.Namespace, SnapshotAPI: f.SnapshotAPI}
	if claim := f.claim(b.source.Spec.SourcePVC); claim != nil {
		c.StorageClass = deref(claim.StorageClass)
	}
	for _, claim := range b.givenClaims() {
		if v := claim.Volume; v != nil {
			c.Volumes = append(c.Volumes, Volume{Name: v.Name, Driver: v.Driver, NodeAffinity: v.NodeAffinity})
		}
	}
	drivers, named := b.classesAtHand()
	for _, class := range f.StorageClasses {
		if class.Default || slices.Contains(named, class.Name) || slices.Contains(drivers, class.Provisioner) {
			c.StorageClasses = append(c.StorageClasses, class)
		}
	}
	for _, class := range f.SnapshotClasses {
		if class.Name == deref(b.kopia.VolumeSnapshotClassName) || slices.Contains(drivers, class.Driver) {
			c.SnapshotClasses = append(c.SnapshotClasses, class)
		}
	}
	for _, u := range f.unknownOutside() {
		c.Unknown = append(c.Unknown, Unknown{Fact: u.Fact, Reason: notReadable})
	}
	slices.SortFunc(c.StorageClasses, func(x, y StorageClass) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortFunc(c.SnapshotClasses, func(x, y SnapshotClass) int { return cmp.Compare(x.Name, y.Name) })
	return c
}

// givenClaims are the source's claims but for the cache, which its runs make.
func (b *builder) givenClaims() []Claim {
	return slices.DeleteFunc(slices.Clone(b.in.Facts.Claims), func(c Claim) bool { return c.Name == Name(NameCache, b.object, "") })
}

// classesAtHand are the storage drivers of the source's claims and of the StorageClasses
// that it names, and the StorageClasses of both.
func (b *builder) classesAtHand() (drivers, named []string) {
	named = []string{deref(b.kopia.StorageClassName), deref(b.kopia.CacheStorageClassName)}
	claims := b.givenClaims()
	for i := range claims {
		drivers, named = append(drivers, b.driver(&claims[i])), append(named, deref(claims[i].StorageClass))
	}
	for _, class := range b.in.Facts.StorageClasses {
		if slices.Contains(named, class.Name) {
			drivers = append(drivers, class.Provisioner)
		}
	}
	return slices.DeleteFunc(drivers, func(d string) bool { return d == "" }), named
}

// unknownOutside are the class facts that could not be read, in order.
func (f *Facts) unknownOutside() []Unknown {
	unknown := slices.DeleteFunc(slices.Clone(f.Unknown), func(u Unknown) bool {
		return !slices.Contains([]FactName{FactStorageClasses, FactSnapshotClasses, FactVolumes}, u.Fact)
	})
	slices.SortStableFunc(unknown, func(x, y Unknown) int { return cmp.Compare(x.Fact, y.Fact) })
	return unknown
}

// Volume returns the volume of the name, or nil.
func (c *ClassFacts) Volume(name string) *Volume {
	return find(c.Volumes, func(v *Volume) bool { return v.Name == name })
}

// ParseClassFacts reads class facts from YAML or JSON. An unknown field is an error, as
// in ParseFacts.
func ParseClassFacts(data []byte) (ClassFacts, error) {
	var c ClassFacts
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return ClassFacts{}, fmt.Errorf("reading class facts: %w", err)
	}
	if c.APIVersion != result.APIVersion || c.Kind != KindClassFacts {
		return ClassFacts{}, fmt.Errorf("reading class facts: want apiVersion %s, kind %s; found %q, %q",
			result.APIVersion, KindClassFacts, c.APIVersion, c.Kind)
	}
	return c, nil
}

// Encode returns the class facts as YAML, ready for ParseClassFacts.
func (c ClassFacts) Encode() ([]byte, error) {
	out, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing class facts: %w", err)
	}
	return out, nil
}

package plan

import (
	"cmp"
	"fmt"
	"maps"
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
	// SnapshotAPI tells whether snapshot.storage.k8s.io/v1 is served.
	SnapshotAPI bool `json:"snapshotAPI,omitempty"`
	// Namespace has of its labels and annotations those that a plan looks at.
	Namespace       Namespace       `json:"namespace"`
	StorageClasses  []StorageClass  `json:"storageClasses,omitempty"`
	SnapshotClasses []SnapshotClass `json:"snapshotClasses,omitempty"`
	// Volumes are those behind the claims of the source.
	Volumes []Volume  `json:"volumes,omitempty"`
	Unknown []Unknown `json:"unknown,omitempty"`
}

// Classes returns the class facts among the facts.
func (f *Facts) Classes() ClassFacts {
	c := ClassFacts{
		APIVersion: result.APIVersion, Kind: KindClassFacts, SnapshotAPI: f.SnapshotAPI,
		Namespace: Namespace{
			Name:        f.Namespace.Name,
			Labels:      only(f.Namespace.Labels, labelPodSecurity),
			Annotations: only(f.Namespace.Annotations, AnnotationPrivilegedMovers),
		},
		StorageClasses: f.StorageClasses, SnapshotClasses: f.SnapshotClasses,
	}
	for i := range f.Claims {
		if v := f.Claims[i].Volume; v != nil {
			c.Volumes = append(c.Volumes, Volume{Name: v.Name, Driver: v.Driver, NodeAffinity: v.NodeAffinity, ClaimUID: v.ClaimUID})
		}
	}
	for _, u := range f.unknownOutside() {
		// What was said to whom differs from person to person.
		c.Unknown = append(c.Unknown, Unknown{Fact: u.Fact, Reason: "it could not be read when the schedule was made"})
	}
	return c
}

// unknownOutside are the class facts that could not be read, in order.
func (f *Facts) unknownOutside() []Unknown {
	unknown := slices.DeleteFunc(slices.Clone(f.Unknown), func(u Unknown) bool { return !outsideNamespace(u.Fact) })
	slices.SortStableFunc(unknown, func(x, y Unknown) int { return cmp.Compare(x.Fact, y.Fact) })
	return unknown
}

// outsideNamespace reports whether the fact is one that class facts hold.
func outsideNamespace(fact FactName) bool {
	return slices.Contains([]FactName{FactNamespace, FactStorageClasses, FactSnapshotClasses, FactVolumes}, fact)
}

// only returns the entries of these keys; nil: there are none.
func only(all map[string]string, keys ...string) map[string]string {
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(key, _ string) bool { return !slices.Contains(keys, key) })
	if len(kept) == 0 {
		return nil
	}
	return kept
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

package validate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// identityKey is one line of snapshots in one repository. The Secret's name
// stands for the repository: the same name in two namespaces usually is a copy,
// while a claim belongs to its namespace.
type identityKey struct {
	repository string
	identity   result.Identity
}

// place is a source that records snapshots under an identity.
type place struct {
	position problem.Position
	object   string
	// maybe is true where only the volume tells which of two identities it is.
	maybe bool
}

// recordedPaths are the paths that snapshots of the source may get: one, or two
// with the less likely one last.
func recordedPaths(k *spec.KopiaSource) []string {
	override := ""
	if k.SourcePathOverride != nil {
		override = *k.SourcePathOverride
	}
	recorded, otherwise := result.RecordedPath(k.SourcePath, override)
	if otherwise == "" {
		return []string{recorded}
	}
	return []string{otherwise, recorded}
}

// rememberIdentity keeps who records where, for collisions.
func (c *check) rememberIdentity(s *spec.ReplicationSource) {
	k := s.Spec.Kopia
	user, host := s.Identity(s.Metadata.Namespace)
	key := identityKey{
		repository: "secret/" + k.Repository,
		identity:   result.Identity{Username: user, Hostname: host},
	}
	if s.Metadata.Namespace == "" && k.Hostname == nil {
		// The host name follows from a namespace that is not known yet, but it
		// is the same one for every document that leaves it out.
		key.identity.Hostname = ""
	}
	if k.RepositoryPVC != nil {
		key.repository = "pvc/" + s.Metadata.Namespace + "/" + *k.RepositoryPVC
	}
	paths := recordedPaths(k)
	for _, key.identity.Path = range paths {
		c.v.identities[key] = append(c.v.identities[key], place{c.doc.Position("metadata.name"), c.doc.Object(), len(paths) > 1})
	}
}

// collisions finds sources that would expire each other's snapshots. Two sources
// that may meet under two identities are told once.
func (v *Validator) collisions() {
	told := map[[2]string]bool{}
	for _, key := range slices.SortedFunc(maps.Keys(v.identities), compareIdentities) {
		places := v.identities[key]
		slices.SortFunc(places, func(a, b place) int {
			return comparePositions(a.position, b.position)
		})
		first := places[0]
		for _, p := range places[1:] {
			pair := [2]string{first.object, p.object}
			if p.object == first.object || told[pair] {
				continue // the same object twice is a finding of its own
			}
			told[pair] = true
			recorded := "are"
			if p.maybe || first.maybe {
				recorded = "may be"
			}
			v.found = append(v.found, problem.Problem{
				Code: "VK146", Severity: problem.Warning, Position: p.position, Object: p.object, Path: "metadata.name",
				Message: "snapshots " + recorded + " recorded as " + printable(key.identity) + ", the same as those of " + first.object +
					" (" + first.position.String() + "): each run expires the other's snapshots",
				Fix: "give one of them a spec.kopia.username of its own",
			})
		}
	}
}

func compareIdentities(a, b identityKey) int {
	return cmp.Or(strings.Compare(a.identity.String(), b.identity.String()), strings.Compare(a.repository, b.repository))
}

func printable(i result.Identity) string {
	if i.Hostname == "" {
		i.Hostname = "<namespace>"
	}
	return i.String()
}

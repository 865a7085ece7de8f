package validate

import (
	"path"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// mountPath is where the mover sees the volume; snapshots are recorded below it.
const mountPath = "/data"

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
}

// recordedPath is the path that snapshots of the source get.
func recordedPath(k *spec.KopiaSource) string {
	if k.SourcePathOverride != nil {
		return path.Clean(*k.SourcePathOverride)
	}
	return path.Join(mountPath, k.SourcePath)
}

// rememberIdentity keeps who records where, for collisions.
func (c *check) rememberIdentity(s *spec.ReplicationSource) {
	k := s.Spec.Kopia
	user, host := s.Identity(s.Metadata.Namespace)
	key := identityKey{
		repository: "secret/" + k.Repository,
		identity:   result.Identity{Username: user, Hostname: host, Path: recordedPath(k)},
	}
	if s.Metadata.Namespace == "" && k.Hostname == nil {
		// The host name follows from a namespace that is not known yet, but it
		// is the same one for every document that leaves it out.
		key.identity.Hostname = ""
	}
	if k.RepositoryPVC != nil {
		key.repository = "pvc/" + s.Metadata.Namespace + "/" + *k.RepositoryPVC
	}
	c.v.identities[key] = append(c.v.identities[key], place{c.doc.Position("metadata.name"), c.doc.Object()})
}

// collisions finds sources that would expire each other's snapshots.
func (v *Validator) collisions() {
	for key, places := range v.identities {
		slices.SortFunc(places, func(a, b place) int {
			return comparePositions(a.position, b.position)
		})
		for _, p := range places[1:] {
			if p.object == places[0].object {
				continue // the same object twice is a finding of its own
			}
			v.found = append(v.found, problem.Problem{
				Code: "VK146", Severity: problem.Warning, Position: p.position, Object: p.object, Path: "metadata.name",
				Message: "snapshots are recorded as " + printable(key.identity) + ", the same as those of " + places[0].object +
					" (" + places[0].position.String() + "): each run expires the other's snapshots",
				Fix: "give one of them a spec.kopia.username of its own",
			})
		}
	}
}

func printable(i result.Identity) string {
	if i.Hostname == "" {
		i.Hostname = "<namespace>"
	}
	return i.String()
}

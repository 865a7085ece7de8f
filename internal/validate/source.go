package validate

import (
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// source holds the rules of a ReplicationSource that no schema can say.
func (c *check) source(s *spec.ReplicationSource) {
	c.trigger("spec.trigger", s.Spec.Trigger)
	k := s.Spec.Kopia
	if k == nil {
		if !c.otherMover() {
			c.fail("VK171", "spec", "spec.kopia is missing, which says how the backup is made",
				"add spec.kopia with at least repository")
		}
		return
	}
	const at = "spec.kopia."
	c.volume(at, &k.VolumeOptions)
	c.cache(at, &k.CacheOptions)
	c.moverVolumes(at+"moverVolumes", k.MoverVolumes, k.RepositoryPVC != nil)
	c.podLabels(at+"moverPodLabels", k.MoverPodLabels)
	c.requestsWithinLimits(at+"moverResources", k.MoverResources)
	c.customCA(at+"customCA", k.CustomCA)
	c.policyConfig(k.PolicyConfig)
	c.sourcePath(k)
	c.retain(k.Retain)
	c.compression(k.Compression)
	c.arguments(k.AdditionalArgs, argv.Options{Operation: result.OperationBackup, Parallelism: k.Parallelism})
	c.actions(k.Actions)
	c.actionsOff(k)
	c.hooks(s.Metadata.Annotations)
	c.rememberIdentity(s)
	c.repository(k.Repository, c.storageOf(placeOnClaim(k.RepositoryPVC, k.MoverVolumes, at+"moverVolumes"), k.PolicyConfig))
}

// otherMover reports whether the document has another mover in spec.kopia's
// place; spec.Parse has said so already, with a clearer word.
func (c *check) otherMover() bool {
	own := c.doc.Position("spec")
	for _, mover := range []string{"restic", "rclone", "rsync", "rsyncTLS", "syncthing", "external"} {
		if c.doc.Position("spec."+mover) != own {
			return true
		}
	}
	return false
}

// sourcePath keeps the backup inside the volume.
func (c *check) sourcePath(k *spec.KopiaSource) {
	const at = "spec.kopia.sourcePath"
	p := k.SourcePath
	short, mounted := result.WithoutMount(p)
	switch {
	case slices.Contains(strings.Split(p, "/"), ".."):
		c.fail("VK124", at, quoted(p)+" leads out of the volume with ..",
			"give a path inside the volume, without ..")
	case !mounted:
	case short == ".":
		c.warn("VK125", at, quoted(p)+" is where the mover mounts the volume, not a directory in it: the whole volume is backed up unless it holds a directory data",
			"leave sourcePath out to back up the whole volume")
	default:
		c.warn("VK125", at, quoted(p)+" starts with the mover's mount path /data: it is read as "+quoted(short)+" unless the volume holds a directory data",
			"write "+quoted(short)+", relative to the root of the volume")
	}
}

// retain finds a policy that never lets a snapshot go.
func (c *check) retain(r *spec.Retain) {
	if r == nil {
		return
	}
	given := 0
	for _, n := range []*int32{r.Hourly, r.Daily, r.Weekly, r.Monthly, r.Yearly, r.Latest} {
		if n != nil && *n != 0 {
			return
		}
		if n != nil {
			given++
		}
	}
	switch given {
	case 0:
		return
	case 6:
		c.warn("VK129", "spec.kopia.retain", "every number is 0, and kopia then keeps all snapshots forever",
			"set at least one number, as latest: 10")
	default:
		c.warn("VK129", "spec.kopia.retain", "every number given is 0: if the global policy has none for the others either, kopia keeps all snapshots forever",
			"set at least one number, as latest: 10")
	}
}

func hasStructured(p *spec.PolicyConfig) bool {
	return p != nil && p.RepositoryConfig != nil && *p.RepositoryConfig != ""
}

// quoted puts what the user wrote in quotes, escaped if it has to be.
func quoted(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s) + `"`
}

package validate

import (
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// destination holds the rules of a ReplicationDestination that no schema can
// say.
func (c *check) destination(d *spec.ReplicationDestination) {
	c.trigger("spec.trigger", d.Spec.Trigger)
	k := d.Spec.Kopia
	if k == nil {
		if !c.otherMover() {
			c.fail("VK171", "spec", "spec.kopia is missing, which says how the restore is made",
				"add spec.kopia with at least repository")
		}
		return
	}
	const at = "spec.kopia."
	c.volume(at, &k.VolumeOptions)
	c.cache(at, &k.CacheOptions)
	c.moverVolumes(at+"moverVolumes", k.MoverVolumes, false)
	c.podLabels(at+"moverPodLabels", k.MoverPodLabels)
	c.requestsWithinLimits(at+"moverResources", k.MoverResources)
	c.customCA(at+"customCA", k.CustomCA)
	c.policyConfig(k.PolicyConfig)
	c.target(k)
	c.restoredIdentity(k)
	c.arguments(k.AdditionalArgs, argv.Options{Operation: result.OperationRestore})
	c.repository(k.Repository, c.storageOf(placeOnClaim(nil, k.MoverVolumes, at+"moverVolumes"), k.PolicyConfig))
}

// target judges where a restore goes to.
func (c *check) target(k *spec.KopiaDestination) {
	const at = "spec.kopia"
	if k.CopyMethod == spec.CopyClone {
		c.fail("VK167", at+".copyMethod", "a restore has no volume to clone",
			"use Snapshot to get a VolumeSnapshot of the restored volume (latestImage), or Direct for the volume itself")
	}
	if k.DestinationPVC == nil && c.unread(at, "destinationPVC", "capacity", "accessModes") {
		return
	}
	if k.DestinationPVC == nil {
		var missing []string
		if k.Capacity == nil {
			missing = append(missing, "capacity")
		}
		if len(k.AccessModes) == 0 {
			missing = append(missing, "accessModes")
		}
		if len(missing) > 0 {
			c.fail("VK159", at, "there is nothing to restore into: destinationPVC is not set, and a new claim lacks "+strings.Join(missing, " and "),
				"set destinationPVC to an existing claim, or give capacity and accessModes for a new one")
		}
		return
	}
	if k.Capacity != nil || len(k.AccessModes) > 0 || k.StorageClassName != nil {
		c.note("VK168", at+".destinationPVC", "capacity, accessModes and storageClassName shape a new claim and have no effect beside destinationPVC",
			"remove them, or remove destinationPVC")
	}
	if k.CleanupTempPVC {
		c.note("VK168", at+".cleanupTempPVC", "cleanupTempPVC removes a claim that the run made and has no effect beside destinationPVC", "remove it")
	}
}

// restoredIdentity judges which snapshots are restored.
func (c *check) restoredIdentity(k *spec.KopiaDestination) {
	const at = "spec.kopia"
	user, host := k.Username != nil, k.Hostname != nil
	switch {
	case user != host && c.unread(at, "username", "hostname"):
	case user != host:
		given, other := "username", "hostname"
		if host {
			given, other = other, given
		}
		c.fail("VK157", at+"."+given, given+" is set without "+other+", and only both together name an identity",
			"set "+other+" as well, or name the source in sourceIdentity")
	case user && k.SourceIdentity != nil:
		c.warn("VK158", at+".sourceIdentity", "VolSync ignores sourceIdentity when username and hostname are set",
			"keep either username and hostname, or sourceIdentity")
	}
	if k.Repository == "" && k.SourceIdentity == nil && !c.unread(at, "repository") {
		c.fail("VK165", at+".repository", "spec.kopia.repository is missing, and without sourceIdentity there is no source to take it from",
			"set repository to the name of the repository's Secret, or name the source in sourceIdentity")
	}
}

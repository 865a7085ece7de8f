package plan

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Annotations of a claim that name its provisioner, the newer first.
const (
	annotationProvisioner     = "volume.kubernetes.io/storage-provisioner"
	annotationProvisionerBeta = "volume.beta.kubernetes.io/storage-provisioner"
)

// decideCopy chooses how the claim is read and reports what cannot work. It
// returns nil when the claim itself is not known.
func (b *builder) decideCopy() *Copy {
	claim := b.sourceClaim()
	if claim == nil {
		return nil
	}
	c := &Copy{Claim: claim.Name, Driver: b.driver(claim)}
	b.chooseMethod(c, claim)
	if c.Method == spec.CopyDirect {
		c.AccessModes = modeNames(claim.AccessModes)
		c.ReadOnly = readOnlyMany(claim.AccessModes)
		b.checkDirect(claim)
	} else {
		b.shapeCopy(c, claim)
	}
	b.checkActions(c)
	return c
}

// sourceClaim finds the source claim and refuses one that cannot be mounted.
func (b *builder) sourceClaim() *Claim {
	name := b.source.Spec.SourcePVC
	claim := b.in.Facts.claim(name)
	if claim == nil {
		b.missingClaim(name, "spec.sourcePVC")
		return nil
	}
	if claim.VolumeMode == corev1.PersistentVolumeBlock {
		b.find(problem.Error, codeBlockVolume, "spec.sourcePVC",
			fmt.Sprintf("claim %q is a Block volume, which has no files to back up", name),
			"back up a claim with volumeMode Filesystem")
	}
	stolen := claim.Volume != nil && claim.Volume.ClaimUID != "" && claim.UID != "" && claim.Volume.ClaimUID != claim.UID
	if claim.Phase == corev1.ClaimLost || stolen {
		b.find(problem.Error, codeClaimMissing, "spec.sourcePVC",
			fmt.Sprintf("claim %q has lost its volume: it is gone or bound to another claim", name),
			"restore the data to a new claim: kubectl volsync-kopia restore")
	}
	return claim
}

// missingClaim reports a claim that the facts do not hold.
func (b *builder) missingClaim(name, path string) {
	if reason, unknown := b.in.Facts.reason(FactClaims); unknown {
		b.find(problem.Error, codeClaimMissing, path,
			fmt.Sprintf("claim %q could not be read: %s", name, reason),
			b.unlessScheduled("grant get on persistentvolumeclaims: kubectl volsync-kopia doctor --print-role"))
		return
	}
	b.find(problem.Error, codeClaimMissing, path,
		fmt.Sprintf("claim %q does not exist in namespace %q", name, b.object.Namespace),
		"correct the name, or choose the namespace with -n")
}

// chooseMethod sets the method, its reason and the snapshot class.
func (b *builder) chooseMethod(c *Copy, claim *Claim) {
	switch b.kopia.CopyMethod {
	case spec.CopyDirect, spec.CopyNone:
		c.Method = spec.CopyDirect
	case spec.CopyClone:
		c.Method = spec.CopyClone
	case spec.CopySnapshot:
		c.Method = spec.CopySnapshot
		b.snapshotClass(c)
	default:
		b.methodByDefault(c, claim)
	}
}

// methodByDefault chooses for a manifest without copyMethod: Snapshot if the
// driver has a usable class, else Direct.
func (b *builder) methodByDefault(c *Copy, claim *Claim) {
	c.Method = spec.CopyDirect
	reason, unknown := b.in.Facts.reason(FactSnapshotClasses)
	named := deref(b.kopia.VolumeSnapshotClassName) != ""
	classes := b.classesOf(c.Driver)
	switch {
	case claim.Phase == corev1.ClaimPending:
		c.Reason = "the claim has no volume yet"
	case !b.in.Facts.SnapshotAPI:
		c.Reason = "the cluster does not serve VolumeSnapshot"
	case named:
		c.Method, c.Reason = spec.CopySnapshot, "the manifest names a VolumeSnapshotClass"
		b.snapshotClass(c)
		return
	case unknown:
		c.Reason = "VolumeSnapshotClasses could not be read"
		b.find(problem.Warning, codeCopyUnknown, "spec.kopia",
			"copyMethod is not given and VolumeSnapshotClasses could not be read ("+reason+"), so Direct is used",
			b.unlessScheduled("set spec.kopia.copyMethod, or grant list on volumesnapshotclasses"))
	case c.Driver == "":
		c.Reason = "the claim's volume has no known CSI driver"
	case len(classes) == 0:
		c.Reason = "no VolumeSnapshotClass is for driver " + c.Driver
	default:
		c.Method = spec.CopySnapshot
		c.Reason = fmt.Sprintf("copyMethod is not given and driver %s has a VolumeSnapshotClass", c.Driver)
		b.snapshotClass(c)
		return
	}
	b.warnLiveCopy(c, claim)
}

// warnLiveCopy warns of a Direct copy that nobody asked for beside a writer.
func (b *builder) warnLiveCopy(c *Copy, claim *Claim) {
	var writers []string
	for i := range claim.Consumers {
		if !claim.Consumers[i].ReadOnly {
			writers = append(writers, claim.Consumers[i].Pod)
		}
	}
	if len(writers) == 0 {
		return
	}
	b.find(problem.Warning, codeLiveCopy, "spec.kopia",
		fmt.Sprintf("not a point-in-time copy: %s, so the volume is read while pod %s may write to it",
			c.Reason, strings.Join(writers, ", ")),
		"set spec.kopia.copyMethod: Clone or Snapshot where the driver can, or Direct to accept it")
}

// shapeCopy sets class, size and modes of the claim made from the source.
func (b *builder) shapeCopy(c *Copy, claim *Claim) {
	if claim.Phase == corev1.ClaimPending {
		b.find(problem.Error, codeClaimMissing, "spec.sourcePVC",
			fmt.Sprintf("claim %q is Pending: it has no volume yet that could be copied", claim.Name),
			"wait until a pod has used the claim, or use copyMethod Direct")
	}
	if claim.Volume != nil && claim.Volume.Driver == "" {
		b.find(problem.Error, codeSnapshotClassMissing, "spec.kopia.copyMethod",
			fmt.Sprintf("volume %q is not a CSI volume, so it cannot be snapshotted or cloned", claim.Volume.Name),
			"use copyMethod Direct")
	}
	c.StorageClass = deref(b.kopia.StorageClassName)
	if c.StorageClass == "" {
		c.StorageClass = deref(claim.StorageClass)
	}
	b.checkStorageClass(c)
	modes := b.kopia.AccessModes
	if len(modes) == 0 {
		modes = claim.AccessModes
	}
	c.AccessModes, c.ReadOnly = modeNames(modes), readOnlyMany(modes)
	b.sizeCopy(c, claim)
}

// sizeCopy sets the least size: capacity, else the claim's own.
func (b *builder) sizeCopy(c *Copy, claim *Claim) {
	own := claim.Capacity
	if own == nil || own.IsZero() {
		own = claim.Requested
	}
	size := own
	if wanted := b.kopia.Capacity; wanted != nil && !wanted.IsZero() {
		size = wanted
		if c.Method == spec.CopyClone && own != nil && wanted.Cmp(*own) < 0 {
			b.find(problem.Error, codeCloneTooSmall, "spec.kopia.capacity",
				fmt.Sprintf("a clone of %s cannot be smaller (%s) than the claim (%s)", claim.Name, wanted, own),
				"leave capacity out, or make it at least the claim's")
		}
	}
	if size == nil {
		size = resource.NewQuantity(0, resource.BinarySI)
	}
	c.Size = size.String()
}

// checkDirect refuses what a mover cannot mount beside the application.
func (b *builder) checkDirect(claim *Claim) {
	if len(claim.Consumers) == 0 || !slices.Contains(claim.AccessModes, corev1.ReadWriteOncePod) {
		return
	}
	b.find(problem.Error, codePodClaimInUse, "spec.kopia.copyMethod",
		fmt.Sprintf("claim %q is ReadWriteOncePod and pod %s uses it, so no mover can mount it", claim.Name, claim.Consumers[0].Pod),
		"use copyMethod Snapshot or Clone, or stop the pod")
}

// checkActions refuses actions where they cannot or should not write.
func (b *builder) checkActions(c *Copy) {
	if !b.hasActions() {
		return
	}
	if c.ReadOnly {
		b.find(problem.Error, codeActionsReadOnly, "spec.kopia.actions",
			"actions need to write to the volume, but it is mounted read-only (accessModes: ReadOnlyMany)",
			"use accessModes ReadWriteOnce, or remove the actions")
	}
	allowed := b.in.Options.ActionsOnLiveVolume || truthy(b.source.Metadata.Annotations[AnnotationLiveActions])
	if c.Method == spec.CopyDirect && !allowed {
		b.find(problem.Error, codeActionsLive, "spec.kopia.actions",
			"with copyMethod Direct the actions would write to the live volume of the application",
			"use copyMethod Snapshot or Clone, or allow it with --actions-on-live-volume or the annotation "+AnnotationLiveActions+"=true")
	}
}

// hasActions reports whether the manifest has any action that is not turned
// off by its own configuration (enableActions: false).
func (b *builder) hasActions() bool { return b.namesActions() && !b.actionsOff }

// namesActions reports whether the manifest has any action.
func (b *builder) namesActions() bool {
	a := b.kopia.Actions
	return a != nil && (a.BeforeSnapshot != "" || a.AfterSnapshot != "")
}

// readOnlyMany reports that ReadOnlyMany is the only mode.
func readOnlyMany(modes []corev1.PersistentVolumeAccessMode) bool {
	return len(modes) == 1 && modes[0] == corev1.ReadOnlyMany
}

// modeNames turns access modes into words.
func modeNames(modes []corev1.PersistentVolumeAccessMode) []string {
	names := make([]string, 0, len(modes))
	for _, m := range modes {
		names = append(names, string(m))
	}
	return names
}

// deref returns the string or "".
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// truthy reports whether an annotation says true, in any case.
func truthy(value string) bool { return strings.EqualFold(value, "true") }

package plan

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// place is where one volume of the mover can be mounted.
type place struct {
	claim string
	path  string // the field that names it
	// copied is true for a copy of the claim, which is mounted in its place.
	copied bool
	// node is set when the volume can be mounted nowhere else: pod holds it
	// there, or with no pod it is attached there.
	node, pod   string
	nodeLabels  map[string]string
	tolerations []corev1.Toleration
	// topology are the values that the volume allows by node label; a key is
	// there only if every alternative restricts it.
	topology map[string][]string
}

// placement is where the mover may run.
type placement struct {
	node, reason string
	tolerations  []corev1.Toleration
	// terms are the topology of a volume that the copy must share.
	terms []corev1.NodeSelectorTerm
}

// placeMover works out where the mover may run, from everything it mounts, and
// refuses volumes that no single node can have.
func (b *builder) placeMover(c *Copy) placement {
	places := b.places(c)
	b.checkConflicts(places)
	p := placementAmong(places)
	if p.terms = b.copyTopology(c); len(p.terms) > 0 && p.node == "" {
		p.reason = "among those of the source's volume"
	}
	return p
}

// placementAmong is the node that the first of the volumes is bound to, if any is.
func placementAmong(places []place) placement {
	for i := range places {
		if p := &places[i]; p.node != "" {
			return placement{node: p.node, reason: p.reason(), tolerations: p.tolerations}
		}
	}
	return placement{}
}

// places lists the volumes that bind the mover to a node.
func (b *builder) places(c *Copy) []place {
	var places []place
	switch {
	case c == nil: // no volume is read
	case c.Method == spec.CopyDirect:
		places = b.addPlace(places, c.Claim, "spec.sourcePVC")
	case len(b.copyTopology(c)) > 0:
		places = append(places, place{
			claim: c.Claim, path: "spec.sourcePVC", copied: true, topology: topology(b.in.Facts.claim(c.Claim)),
		})
	}
	for _, ref := range b.extraClaims() {
		places = b.addPlace(places, ref.claim, ref.path)
	}
	if b.cacheIsClaim() {
		places = b.addPlace(places, Name(NameCache, b.object, ""), b.field("cacheStorageClassName"))
	}
	return places
}

// claimRef is a claim that the manifest names, and the field.
type claimRef struct{ claim, path string }

// extraClaims are the claims besides the source that the mover mounts.
func (b *builder) extraClaims() []claimRef {
	var refs []claimRef
	if name := deref(b.kopia.RepositoryPVC); name != "" {
		refs = append(refs, claimRef{name, b.field("repositoryPVC")})
	}
	for i := range b.kopia.MoverVolumes {
		if pvc := b.kopia.MoverVolumes[i].VolumeSource.PersistentVolumeClaim; pvc != nil {
			refs = append(refs, claimRef{pvc.ClaimName, b.field(fmt.Sprintf("moverVolumes[%d]", i))})
		}
	}
	if name := b.existingCache(); name != "" {
		refs = append(refs, claimRef{name, b.field("cachePVC")})
	}
	return refs
}

// checkExtraClaims refuses claims that do not exist or have no file system.
func (b *builder) checkExtraClaims() {
	for _, ref := range b.extraClaims() {
		claim := b.in.Facts.claim(ref.claim)
		switch {
		case claim == nil:
			b.missingClaim(ref.claim, ref.path)
		case claim.VolumeMode == corev1.PersistentVolumeBlock:
			b.find(problem.Error, codeBlockVolume, ref.path,
				fmt.Sprintf("claim %q is a Block volume, which cannot be mounted as a directory", ref.claim),
				"use a claim with volumeMode Filesystem")
		case ref.claim == b.existingCache() && readOnlyMany(claim.AccessModes):
			b.find(problem.Error, codeCacheReadOnly, ref.path,
				fmt.Sprintf("claim %q is ReadOnlyMany, and kopia writes its cache", ref.claim),
				"use a claim that can be written to")
		}
	}
}

// addPlace adds the claim if it binds the mover to some nodes.
func (b *builder) addPlace(places []place, name, path string) []place {
	claim := b.in.Facts.claim(name)
	if claim == nil {
		return places
	}
	p := place{claim: name, path: path, topology: topology(claim)}
	if !sharedAcrossNodes(claim.AccessModes) {
		p.hold(claim)
	}
	if p.node == "" && len(p.topology) == 0 {
		return places
	}
	return append(places, p)
}

// hold finds the node that a claim of one node is on: a pod says best where, and
// without one the volume may still be attached.
func (p *place) hold(claim *Claim) {
	for i := range claim.Consumers {
		if user := &claim.Consumers[i]; user.Node != "" {
			p.node, p.pod, p.nodeLabels, p.tolerations = user.Node, user.Pod, user.NodeLabels, user.Tolerations
			return
		}
	}
	if claim.Volume != nil {
		p.node = claim.Volume.AttachedTo
	}
}

// sharedAcrossNodes reports whether several nodes can mount the claim at once.
func sharedAcrossNodes(modes []corev1.PersistentVolumeAccessMode) bool {
	return slices.Contains(modes, corev1.ReadWriteMany) || slices.Contains(modes, corev1.ReadOnlyMany)
}

// topology returns the values that a claim's volume allows by node label. A
// label counts only if every alternative restricts it to given values.
func topology(claim *Claim) map[string][]string {
	terms := volumeTerms(claim)
	allowed := map[string][]string{}
	count := map[string]int{}
	for _, term := range terms {
		for _, e := range term.MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn {
				allowed[e.Key] = append(allowed[e.Key], e.Values...)
				count[e.Key]++
			}
		}
	}
	for key := range allowed {
		if count[key] < len(terms) {
			delete(allowed, key)
		}
	}
	return allowed
}

// volumeTerms returns the node affinity of the claim's volume.
func volumeTerms(claim *Claim) []corev1.NodeSelectorTerm {
	if claim == nil || claim.Volume == nil || claim.Volume.NodeAffinity == nil || claim.Volume.NodeAffinity.Required == nil {
		return nil
	}
	return claim.Volume.NodeAffinity.Required.NodeSelectorTerms
}

// copyTopology returns the node affinity that a copy inherits from its source.
// A class that waits for its consumer places the copy where the scheduler puts
// the mover, and the scheduler does not know that a local snapshot can only be
// read where it was taken. With immediate binding the provisioner chooses, and
// the scheduler follows the volume by itself.
func (b *builder) copyTopology(c *Copy) []corev1.NodeSelectorTerm {
	if c == nil || c.Method == spec.CopyDirect || c.BindingMode != string(storagev1.VolumeBindingWaitForFirstConsumer) {
		return nil
	}
	return volumeTerms(b.in.Facts.claim(c.Claim))
}

// tolerations are those of the pod beside which the mover must run, and the manifest's
// own.
func (b *builder) tolerations(p placement) []corev1.Toleration {
	if b.upkeep == nil {
		return p.tolerations
	}
	return slices.Concat(b.upkeep.Tolerations, p.tolerations)
}

// nodeSelector is the manifest's own.
func (b *builder) nodeSelector() map[string]string {
	if b.upkeep == nil {
		return nil
	}
	return b.upkeep.NodeSelector
}

// affinity adds the placement to the manifest's own affinity. Both hold. A
// node affinity is used and never nodeName, which would go round the scheduler
// and leave a claim that waits for its consumer unbound for ever.
func (b *builder) affinity(p placement) *corev1.Affinity {
	a := b.kopia.MoverAffinity.DeepCopy()
	if p.node == "" && len(p.terms) == 0 {
		return a
	}
	if a == nil {
		a = &corev1.Affinity{}
	}
	if a.NodeAffinity == nil {
		a.NodeAffinity = &corev1.NodeAffinity{}
	}
	terms := []corev1.NodeSelectorTerm{{}}
	if required := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		terms = required.NodeSelectorTerms
	}
	terms = bothTerms(terms, p.terms)
	if p.node != "" {
		name := corev1.NodeSelectorRequirement{
			Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{p.node},
		}
		terms = bothTerms(terms, []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{name}}})
	}
	a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: terms}
	return a
}

// bothTerms returns terms that hold when one of x and one of y hold: terms are
// alternatives, the requirements within one all apply.
func bothTerms(x, y []corev1.NodeSelectorTerm) []corev1.NodeSelectorTerm {
	if len(y) == 0 {
		return x
	}
	var both []corev1.NodeSelectorTerm
	for i := range x {
		for j := range y {
			both = append(both, corev1.NodeSelectorTerm{
				MatchExpressions: slices.Concat(x[i].MatchExpressions, y[j].MatchExpressions),
				MatchFields:      slices.Concat(x[i].MatchFields, y[j].MatchFields),
			})
		}
	}
	return both
}

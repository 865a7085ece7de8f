package plan

import corev1 "k8s.io/api/core/v1"

// upkeepSecurity is the container's security context of a maintenance: the manifest's
// own, with the rest filled so that it fits the restricted level.
func (b *builder) upkeepSecurity() *corev1.SecurityContext {
	sc := b.upkeep.ContainerSecurityContext.DeepCopy()
	if sc == nil {
		sc = &corev1.SecurityContext{}
	}
	if sc.AllowPrivilegeEscalation == nil && (sc.Privileged == nil || !*sc.Privileged) {
		sc.AllowPrivilegeEscalation = new(false)
	}
	if sc.ReadOnlyRootFilesystem == nil {
		sc.ReadOnlyRootFilesystem = new(true)
	}
	if sc.Capabilities == nil {
		sc.Capabilities = &corev1.Capabilities{}
	}
	if len(sc.Capabilities.Drop) == 0 {
		sc.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
	return sc
}

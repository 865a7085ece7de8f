package plan

import corev1 "k8s.io/api/core/v1"

// privileged reports whether the namespace lets movers read any file. A maintenance
// reads none.
func (b *builder) privileged() bool {
	return b.upkeep == nil && truthy(b.in.Facts.Namespace.Annotations[AnnotationPrivilegedMovers])
}

// podSecurity is the pod's security context: the manifest's own, with the rest
// filled so that the pod fits the restricted level wherever the manifest
// leaves it open. The uid is the image's unless the manifest names one: some
// clusters assign it.
func (b *builder) podSecurity() *corev1.PodSecurityContext {
	sc := b.kopia.MoverSecurityContext.DeepCopy()
	if sc == nil {
		sc = &corev1.PodSecurityContext{}
	}
	if sc.SeccompProfile == nil {
		sc.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	if sc.RunAsNonRoot == nil && !b.runsAsRoot() {
		sc.RunAsNonRoot = new(true)
	}
	return sc
}

// containerSecurity is the mover container's security context.
func (b *builder) containerSecurity() *corev1.SecurityContext {
	if b.upkeep != nil {
		return b.upkeepSecurity()
	}
	sc := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if b.privileged() {
		sc.Capabilities.Add = []corev1.Capability{"DAC_OVERRIDE", "CHOWN", "FOWNER"}
		sc.RunAsUser = new(int64(0))
		sc.RunAsNonRoot = new(false)
	}
	return sc
}

// moverUser returns the uid when it is known.
func (b *builder) moverUser() *int64 {
	if b.privileged() {
		return new(int64(0))
	}
	if b.upkeep != nil && b.upkeepSecurity().RunAsUser != nil {
		return b.upkeepSecurity().RunAsUser
	}
	if sc := b.kopia.MoverSecurityContext; sc != nil {
		return sc.RunAsUser
	}
	return nil
}

// runsAsRoot reports whether the mover is known to be uid 0.
func (b *builder) runsAsRoot() bool {
	uid := b.moverUser()
	return uid != nil && *uid == 0
}

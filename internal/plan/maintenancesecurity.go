package plan

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

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
		sc.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	}
	return sc
}

// baselineCapabilities are those that the baseline level lets a container add.
func baselineCapabilities() []corev1.Capability {
	return []corev1.Capability{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
		"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// upkeepLevel is the strictest level that admits the manifest's containerSecurityContext,
// with the reason why it is not restricted.
func (b *builder) upkeepLevel() (level, why string) {
	sc := b.upkeepSecurity()
	const name = "containerSecurityContext."
	for _, c := range sc.Capabilities.Add {
		if !slices.Contains(baselineCapabilities(), c) {
			return levelPrivileged, fmt.Sprintf(name+"capabilities adds %s", c)
		}
	}
	given := func(field *bool, value bool) bool { return field != nil && *field == value }
	switch {
	case given(sc.Privileged, true):
		return levelPrivileged, name + "privileged is true"
	case sc.SeccompProfile != nil && sc.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined:
		return levelPrivileged, name + "seccompProfile is Unconfined"
	case sc.ProcMount != nil && *sc.ProcMount != corev1.DefaultProcMount:
		return levelPrivileged, name + "procMount is " + string(*sc.ProcMount)
	case slices.ContainsFunc(sc.Capabilities.Add, func(c corev1.Capability) bool { return c != "NET_BIND_SERVICE" }):
		return levelBaseline, name + "capabilities adds more than NET_BIND_SERVICE"
	case !slices.Contains(sc.Capabilities.Drop, "ALL"):
		return levelBaseline, name + "capabilities does not drop ALL"
	case given(sc.AllowPrivilegeEscalation, true):
		return levelBaseline, name + "allowPrivilegeEscalation is true"
	case sc.RunAsUser != nil && *sc.RunAsUser == 0:
		return levelBaseline, name + "runAsUser is 0"
	case given(sc.RunAsNonRoot, false):
		return levelBaseline, name + "runAsNonRoot is false"
	}
	return levelRestricted, ""
}

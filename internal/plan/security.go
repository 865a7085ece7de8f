package plan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// labelPodSecurity on a namespace is the level that the API server enforces.
const labelPodSecurity = "pod-security.kubernetes.io/enforce"

// The Pod Security levels, strictest first.
const (
	levelRestricted = "restricted"
	levelBaseline   = "baseline"
	levelPrivileged = "privileged"
)

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
	root := sc.RunAsUser != nil && *sc.RunAsUser == 0
	if sc.RunAsNonRoot == nil && !root && !b.privileged() {
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

// podLevel returns the strictest level that admits the mover, with the reason
// why it is not restricted.
func (b *builder) podLevel() (level, why string) {
	if b.privileged() {
		return levelBaseline, "the annotation " + AnnotationPrivilegedMovers + " adds capabilities and uid 0"
	}
	sc, name := b.podSecurity(), b.fieldName("moverSecurityContext")
	if sc.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined {
		return levelPrivileged, name + ".seccompProfile is Unconfined"
	}
	if len(sc.Sysctls) > 0 {
		return levelPrivileged, name + " sets sysctls"
	}
	if sc.RunAsUser != nil && *sc.RunAsUser == 0 {
		return levelBaseline, name + ".runAsUser is 0"
	}
	if sc.RunAsNonRoot != nil && !*sc.RunAsNonRoot {
		return levelBaseline, name + ".runAsNonRoot is false"
	}
	for i := range b.kopia.MoverVolumes {
		if b.kopia.MoverVolumes[i].VolumeSource.NFS != nil {
			return levelBaseline, fmt.Sprintf("moverVolumes[%d] is an NFS volume", i)
		}
	}
	return levelRestricted, ""
}

// moverLevel is podLevel, or that of the container where it is less strict.
func (b *builder) moverLevel() (level, why string) {
	level, why = b.podLevel()
	if b.upkeep == nil {
		return level, why
	}
	if container, because := b.upkeepLevel(); rank(container) > rank(level) {
		return container, because
	}
	return level, why
}

// checkPodSecurity refuses a mover that the namespace would reject: the Job
// would only collect FailedCreate events.
func (b *builder) checkPodSecurity() string {
	level, why := b.moverLevel()
	enforced := b.in.Facts.Namespace.Labels[labelPodSecurity]
	if rank(level) > rank(enforced) {
		b.find(problem.Error, codePodSecurity, b.kind.base,
			fmt.Sprintf("namespace %q enforces Pod Security %q, which does not admit the mover: %s", b.object.Namespace, enforced, why),
			"remove that setting, or set the namespace's label "+labelPodSecurity+"="+level)
	}
	return level
}

// rank orders the levels; no level enforced admits everything.
func rank(level string) int {
	switch level {
	case levelRestricted:
		return 0
	case levelBaseline:
		return 1
	}
	return 2
}

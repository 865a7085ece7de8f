package plan

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// labelPodSecurity on a namespace is the level that the API server enforces.
const labelPodSecurity = api.EnforceLevelLabel

// checkPodSecurity refuses a mover that the namespace would reject: the Job
// would only collect FailedCreate events.
func (b *builder) checkPodSecurity() string {
	b.checkRoot()
	level, why := b.moverLevel()
	enforced := b.in.Facts.Namespace.Labels[labelPodSecurity]
	if rank(level) > rank(enforced) {
		b.find(problem.Error, codePodSecurity, b.kind.base,
			fmt.Sprintf("namespace %q enforces Pod Security %q, which does not admit the mover: %s", b.object.Namespace, enforced, why),
			"remove that setting"+b.settingsOfPod()+", or set the namespace's label "+labelPodSecurity+"="+level)
	}
	return level
}

// settingsOfPod says where the pod's own settings come from.
func (b *builder) settingsOfPod() string {
	switch {
	case b.privileged():
		return ""
	case b.upkeep != nil:
		return " (the pod's are in podSecurityContext and moverVolumes, the container's in containerSecurityContext)"
	}
	return " (from moverSecurityContext or moverVolumes)"
}

// moverLevel is the strictest level that admits the mover, with the reason why no
// stricter one does.
func (b *builder) moverLevel() (level, why string) {
	m := &mounts{}
	for i := range b.kopia.MoverVolumes { // the tool's own volumes fit every level
		b.addMoverVolume(m, i)
	}
	level, why, err := strictestLevel(&corev1.PodSpec{
		SecurityContext: b.podSecurity(), Volumes: m.volumes,
		Containers: []corev1.Container{{Name: "mover", SecurityContext: b.containerSecurity()}},
	})
	b.check(err)
	if b.privileged() {
		why = "the annotation " + AnnotationPrivilegedMovers + " adds capabilities and uid 0"
	}
	return level, why
}

// strictestLevel asks the API server's own rules.
func strictestLevel(pod *corev1.PodSpec) (level, why string, err error) {
	rules, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return "", "", fmt.Errorf("the rules of Pod Security: %w", err)
	}
	for _, level := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		asked := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		answer := policy.AggregateCheckResults(rules.EvaluatePod(asked, &metav1.ObjectMeta{}, pod))
		if answer.Allowed {
			return string(level), why, nil
		}
		why = answer.ForbiddenDetail()
	}
	return string(api.LevelPrivileged), why, nil
}

// rank orders the levels, strictest first; no level enforced admits everything.
func rank(level string) int {
	strict := []api.Level{api.LevelRestricted, api.LevelBaseline}
	if at := slices.Index(strict, api.Level(level)); at >= 0 {
		return at
	}
	return len(strict)
}

// checkRoot refuses uid 0 where the manifest says that it must not be: the kubelet would
// refuse the container for ever.
func (b *builder) checkRoot() {
	nonRoot := b.containerSecurity().RunAsNonRoot
	if nonRoot == nil {
		nonRoot = b.podSecurity().RunAsNonRoot
	}
	if b.runsAsRoot() && nonRoot != nil && *nonRoot {
		b.find(problem.Error, codeRootRefused, b.kind.base,
			"the mover is to run as uid 0 (runAsUser) and must not (runAsNonRoot), so that no kubelet starts it",
			"set runAsNonRoot to false, or runAsUser to another uid")
	}
}

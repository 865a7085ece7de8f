package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// TestAMaintenanceNeverMakesARepository, whatever the caller asks for.
func TestAMaintenanceNeverMakesARepository(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance")
	in.Options.CreateRepository = result.CreateAlways
	p, _ := build(in)
	if p.Task == nil || p.Task.Repository.Create != result.CreateNever || p.Repository.Create != result.CreateNever {
		t.Errorf("%+v", p.Task)
	}
}

// TestTheDeadlineOfAMaintenance is the manifest's, the CRD's default or the caller's,
// whichever is least, and the pod's own.
func TestTheDeadlineOfAMaintenance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own    *int64
		caller time.Duration
		want   int64
	}{
		{nil, 0, 10800},
		{new(int64(1800)), 0, 1800},
		{new(int64(1800)), time.Hour, 1800},
		{new(int64(7200)), time.Hour, 3600},
		{nil, 8 * time.Hour, 10800},
	} {
		in := load(t, "maintenance-cache-pvc")
		in.Document.Maintenance.Spec.ActiveDeadlineSeconds = c.own
		in.Options.Timeouts.Running = result.Duration(c.caller)
		p, findings := build(in)
		if got := *jobOf(t, p).Spec.Template.Spec.ActiveDeadlineSeconds; got != c.want {
			t.Errorf("%v and %s: %d, want %d", c.own, c.caller, got, c.want)
		}
		if ignored := int64(c.caller/time.Second) > c.want; hasCode(findings, "VK532") != ignored {
			t.Errorf("%v and %s: %v", c.own, c.caller, findings)
		}
	}
}

// TestEveryPodFieldOfAMaintenanceReachesThePod, the tool's own labels and the tolerations
// of the pod that holds the cache besides.
func TestEveryPodFieldOfAMaintenanceReachesThePod(t *testing.T) {
	t.Parallel()
	p, findings := build(load(t, "maintenance-cache-pvc"))
	if findings.HasErrors() {
		t.Fatal(findings)
	}
	template := jobOf(t, p).Spec.Template
	pod, container := template.Spec, template.Spec.Containers[0]
	got := map[string]any{
		"service account": pod.ServiceAccountName, "selector": pod.NodeSelector["disk"], "label": template.Labels["team"],
		"memory": container.Resources.Limits.Memory().String(), "pod's user": *pod.SecurityContext.RunAsUser,
		"container's user": *container.SecurityContext.RunAsUser, "read-only": *container.SecurityContext.ReadOnlyRootFilesystem,
	}
	if diff := cmp.Diff(map[string]any{
		"service account": "upkeep", "selector": "fast", "label": "storage", "memory": "1Gi", "pod's user": int64(1000),
		"container's user": int64(2000), "read-only": true,
	}, got); diff != "" {
		t.Error(diff)
	}
	var keys []string
	for _, toleration := range pod.Tolerations {
		keys = append(keys, toleration.Key)
	}
	if diff := cmp.Diff([]string{"dedicated", "node-2"}, keys); diff != "" {
		t.Errorf("tolerations: %s", diff)
	}
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if len(terms) != 1 || terms[0].MatchExpressions[0].Key != "zone" || terms[0].MatchFields[0].Values[0] != "node-2" {
		t.Errorf("affinity: %+v", terms)
	}
}

// TestPodSecurityOfAMaintenance is what admits its pod: what the container says counts
// before what the pod says.
func TestPodSecurityOfAMaintenance(t *testing.T) {
	t.Parallel()
	for want, contexts := range map[string][]corev1.SecurityContext{
		"restricted": {
			{},
			{ReadOnlyRootFilesystem: new(false)},
			{RunAsUser: new(int64(1000))},
			{Capabilities: &corev1.Capabilities{}},
			{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"}}},
		},
		"baseline": {
			{RunAsNonRoot: new(false)},
			{AllowPrivilegeEscalation: new(true)},
			{RunAsUser: new(int64(0))},
			{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"KILL"}}},
			{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"CHOWN"}}},
		},
		"privileged": {
			{Privileged: new(true)},
			{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}},
			{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}},
			{SELinuxOptions: &corev1.SELinuxOptions{Type: "spc_t"}},
			{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}},
			{WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: new(true)}},
		},
	} {
		for i := range contexts {
			in := load(t, "maintenance")
			in.Document.Maintenance.Spec.ContainerSecurityContext = &contexts[i]
			p, _ := build(in)
			if p.Mover.PodSecurity != want {
				t.Errorf("%+v: %s, want %s", contexts[i], p.Mover.PodSecurity, want)
			}
			pod := jobOf(t, p).Spec.Template.Spec
			container := pod.Containers[0].SecurityContext
			if root := container.RunAsUser; root != nil && *root == 0 && pod.SecurityContext.RunAsNonRoot != nil && container.RunAsNonRoot == nil {
				t.Errorf("%+v: the kubelet starts no uid 0 in a pod with runAsNonRoot", contexts[i])
			}
		}
	}
	in := load(t, "maintenance")
	in.Document.Maintenance.Spec.PodSecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(false)}
	in.Document.Maintenance.Spec.ContainerSecurityContext = &corev1.SecurityContext{RunAsNonRoot: new(true)}
	if p, _ := build(in); p.Mover.PodSecurity != "baseline" {
		t.Errorf("restricted admits no pod that may be root, whatever its container says: %s", p.Mover.PodSecurity)
	}
}

// TestRootThatMayNotBeRootIsRefused: the kubelet would refuse the container again and
// again.
func TestRootThatMayNotBeRootIsRefused(t *testing.T) {
	t.Parallel()
	type pair struct {
		pod       corev1.PodSecurityContext
		container corev1.SecurityContext
	}
	root, nonRoot := new(int64(0)), new(true)
	for _, c := range []struct {
		pair
		want bool
	}{
		{pair{corev1.PodSecurityContext{RunAsNonRoot: nonRoot, RunAsUser: root}, corev1.SecurityContext{}}, true},
		{pair{corev1.PodSecurityContext{RunAsNonRoot: nonRoot}, corev1.SecurityContext{RunAsUser: root}}, true},
		{pair{corev1.PodSecurityContext{RunAsUser: root}, corev1.SecurityContext{RunAsNonRoot: nonRoot}}, true},
		{pair{corev1.PodSecurityContext{RunAsNonRoot: nonRoot}, corev1.SecurityContext{RunAsUser: root, RunAsNonRoot: new(false)}}, false},
		{pair{corev1.PodSecurityContext{RunAsNonRoot: nonRoot, RunAsUser: root}, corev1.SecurityContext{RunAsUser: new(int64(1000))}}, false},
	} {
		in := load(t, "maintenance")
		in.Document.Maintenance.Spec.PodSecurityContext, in.Document.Maintenance.Spec.ContainerSecurityContext = &c.pod, &c.container
		if _, findings := build(in); hasCode(findings, "VK529") != c.want {
			t.Errorf("%+v: %v", c.pair, findings)
		}
	}
	in := load(t, "snapshot")
	in.Document.Source.Spec.Kopia.MoverSecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: nonRoot, RunAsUser: root}
	if _, findings := build(in); !hasCode(findings, "VK529") {
		t.Errorf("a source: %v", findings)
	}
}

func hasCode(list problem.List, code string) bool {
	return slices.ContainsFunc(list, func(p problem.Problem) bool { return p.Code == code })
}

// TestTheOwnerIsWhomTheSecretOfTheInputNames; without the Secret the plan says that it
// may name another.
func TestTheOwnerIsWhomTheSecretOfTheInputNames(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance-local")
	in.Options.TakeOwnership = true
	keys := in.Set.SecretFor("prod", "kopia-config").Secret
	keys.Data["KOPIA_OVERRIDE_MAINTENANCE_USERNAME"] = secret.New([]byte("keeper@elsewhere"))
	p, _ := build(in)
	if p.Identity.String() != "keeper@elsewhere" || !strings.HasSuffix(p.Intent(), "as keeper@elsewhere") || p.Task.Identity.Username != "keeper" {
		t.Errorf("%s, %q", p.Identity, p.Intent())
	}
	owner := slices.IndexFunc(p.Commands, func(c plan.Command) bool { return slices.Contains(c.Args, "--owner=keeper@elsewhere") })
	if owner < 0 {
		t.Errorf("it is taken over by another: %v", p.Commands)
	}
	delete(keys.Data, "KOPIA_OVERRIDE_MAINTENANCE_USERNAME")
	if p, _ := build(in); !strings.HasSuffix(p.Intent(), "as maintenance@volsync") {
		t.Errorf("the Secret names nobody: %q", p.Intent())
	}
	if p, _ := build(load(t, "maintenance")); !strings.HasSuffix(p.Intent(), "as maintenance@volsync, or whom the Secret names") {
		t.Errorf("the Secret is not read: %q", p.Intent())
	}
}

// TestAMaintenanceHasNoHooks, whoever asks for them.
func TestAMaintenanceHasNoHooks(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance")
	in.Options.Exec = spec.Hooks{In: "pod/db", Before: "sync"}
	in.Document.Maintenance.Metadata.Annotations = map[string]string{spec.AnnotationExecIn: "pod/db", spec.AnnotationExecAfter: "sync"}
	p, _ := build(in)
	for name := range jobOf(t, p).Annotations {
		if strings.HasPrefix(name, "volsync-kopia/exec-") {
			t.Errorf("its Job has %s", name)
		}
	}
}

// TestACacheClaimOfAMaintenance is none of a run on this machine, and one that is small or
// read-only is told of where it is named.
func TestACacheClaimOfAMaintenance(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance-local")
	in.Document.Maintenance.Spec.CachePVC = new("warm-cache")
	p, findings := build(in)
	if p.Cache.CapacityBytes != 10<<30 || !hasCode(findings, "VK530") {
		t.Errorf("on this machine: %s of cache, %v", p.Cache.Capacity, findings)
	}
	in = load(t, "maintenance-cache-pvc")
	in.Document.Maintenance.Spec.MetadataCacheSizeLimitMB = new(int32(40000))
	_, findings = build(in)
	if small := findings[slices.IndexFunc(findings, func(p problem.Problem) bool { return p.Code == "VK528" })]; small.Path != "spec.cachePVC" || !strings.Contains(small.Fix, "larger claim") {
		t.Errorf("%+v", small)
	}
	in = load(t, "maintenance-cache-pvc")
	in.Facts.Claims[0].AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	if _, findings := build(in); !hasCode(findings, "VK531") {
		t.Errorf("a read-only cache: %v", findings)
	}
}

// TestAMaintenanceThatIsHeldTwiceSaysSo: to lift one of the two is not enough.
func TestAMaintenanceThatIsHeldTwiceSaysSo(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance")
	in.Document.Maintenance.Spec.Suspend, in.Document.Maintenance.Spec.Enabled = new(true), new(false)
	_, findings := build(in)
	i := slices.IndexFunc(findings, func(p problem.Problem) bool { return p.Code == "VK516" })
	if i < 0 || !strings.Contains(findings[i].Message, "suspended and disabled") ||
		!strings.Contains(findings[i].Fix, "spec.suspend to false") || !strings.Contains(findings[i].Fix, "spec.enabled to true") {
		t.Errorf("%v", findings)
	}
}

// TestAServedManualTriggerOfAMaintenanceIsSkipped, unless forced.
func TestAServedManualTriggerOfAMaintenanceIsSkipped(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance-cache-pvc")
	in.Facts.Object.LastManualSync = "before-the-audit"
	if p, _ := build(in); p.Skip == nil || p.Skip.Reason != plan.SkipManualTriggerServed || len(p.Steps) > 0 {
		t.Errorf("%+v with %d steps", p.Skip, len(p.Steps))
	}
	in.Options.Force = true
	if p, _ := build(in); p.Skip != nil || len(p.Steps) == 0 {
		t.Errorf("forced: %+v with %d steps", p.Skip, len(p.Steps))
	}
}

// TestAnOperatorThatIsGoneIsNotWaitedForLongAtAMaintenance: one that is there writes its
// status every few minutes, however seldom the schedule is.
func TestAnOperatorThatIsGoneIsNotWaitedForLongAtAMaintenance(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance-operator")
	in.Facts.Object.Managers[0].Time.Time = in.Env.Now.Add(-2 * time.Hour)
	if p, findings := build(in); findings.HasErrors() || len(p.Steps) == 0 {
		t.Errorf("refused: %v", findings)
	}
}

// TestQuestionsOfAMaintenance: its claims, its rights, and none of a volume to copy.
func TestQuestionsOfAMaintenance(t *testing.T) {
	t.Parallel()
	q := plan.QuestionsFor(load(t, "maintenance-cache-pvc").Document, "prod")
	if diff := cmp.Diff([]string{"repo-data", "warm-cache"}, q.Claims); diff != "" || q.Source != "" || q.Object.Kind != "KopiaMaintenance" {
		t.Errorf("%+v %s", q, diff)
	}
	for _, rule := range q.Rights {
		if rule.Group == plan.GroupSnapshot || rule.Resource == "replicationsources" {
			t.Errorf("a maintenance has no use for %s", rule)
		}
	}
	q = plan.QuestionsFor(load(t, "maintenance").Document, "prod")
	if len(q.Claims) != 1 || q.Claims[0] != "vk-cache-nightly-550d2ed299" {
		t.Errorf("the kept cache is not asked for: %v", q.Claims)
	}
}

// TestASuspendedMaintenanceRunsWithForce and says why.
func TestASuspendedMaintenanceRunsWithForce(t *testing.T) {
	t.Parallel()
	in := load(t, "maintenance-disabled-scheduled")
	in.Options.Scheduled = false
	if _, findings := build(in); !findings.HasErrors() {
		t.Error("a disabled maintenance runs without --force")
	}
	in.Options.Force = true
	p, findings := build(in)
	if findings.HasErrors() || len(p.Steps) == 0 || findings[0].Severity != problem.Info || findings[0].Path != "spec.enabled" {
		t.Errorf("%v", findings)
	}
}

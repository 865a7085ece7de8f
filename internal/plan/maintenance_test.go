package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
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
	} {
		in := load(t, "maintenance-cache-pvc")
		in.Document.Maintenance.Spec.ActiveDeadlineSeconds = c.own
		in.Options.Timeouts.Running = result.Duration(c.caller)
		p, _ := build(in)
		if got := *jobOf(t, p).Spec.Template.Spec.ActiveDeadlineSeconds; got != c.want {
			t.Errorf("%v and %s: %d, want %d", c.own, c.caller, got, c.want)
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

// TestPodSecurityOfAMaintenance is that of its pod and of its container together.
func TestPodSecurityOfAMaintenance(t *testing.T) {
	t.Parallel()
	for want, contexts := range map[string][]corev1.SecurityContext{
		"restricted": {{}, {ReadOnlyRootFilesystem: new(false)}, {RunAsUser: new(int64(1000))}},
		"baseline": {
			{RunAsNonRoot: new(false)}, {AllowPrivilegeEscalation: new(true)}, {RunAsUser: new(int64(0))},
			{Capabilities: &corev1.Capabilities{}},
			{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"CHOWN"}}},
		},
		"privileged": {
			{Privileged: new(true)}, {Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}},
			{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}},
		},
	} {
		for i := range contexts {
			in := load(t, "maintenance")
			in.Document.Maintenance.Spec.ContainerSecurityContext = &contexts[i]
			p, _ := build(in)
			if p.Mover.PodSecurity != want {
				t.Errorf("%+v: %s, want %s", contexts[i], p.Mover.PodSecurity, want)
			}
		}
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

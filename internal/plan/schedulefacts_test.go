package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// cached is a source that is copied by snapshot and keeps its cache in a claim.
func cached(t *testing.T) plan.Input {
	t.Helper()
	in := scheduled(t, "snapshot")
	in.Document.Source.Spec.Kopia.CacheAccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	return in
}

// classFactsOf is what the schedule keeps of the facts.
func classFactsOf(t *testing.T, in plan.Input) string {
	t.Helper()
	s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
	return decoded(t, s).config.Data[plan.ScheduleClassFacts]
}

// TestClassFactsChangeOnlyWithWhatTheyAreAbout: otherwise the schedule would differ from
// its own manifest though nobody has changed anything.
func TestClassFactsChangeOnlyWithWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	forbidden := func(who string) func(*plan.Facts) {
		return func(f *plan.Facts) {
			f.Unknown = append(f.Unknown, plan.Unknown{Fact: plan.FactVolumes, Reason: `User "` + who + `" cannot get resource "persistentvolumes"`})
		}
	}
	for name, c := range map[string]struct {
		before, after func(*plan.Facts)
		differs       bool
	}{
		"the claim of a static volume was made anew": {nil, func(f *plan.Facts) { f.Claims[0].UID, f.Claims[0].Volume.ClaimUID = "another", "another" }, false},
		"the first run has made the cache": {nil, func(f *plan.Facts) {
			class := "local-path"
			f.Claims = append(f.Claims, plan.Claim{
				Name: plan.Name(plan.NameCache, result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "postgres"}, ""), StorageClass: &class, Volume: &plan.Volume{Name: "pvc-cache", Driver: "local.csi.example"},
			})
		}, false},
		"another driver's classes": {nil, func(f *plan.Facts) {
			f.StorageClasses = append([]plan.StorageClass{{Name: "a", Provisioner: "other.example"}}, f.StorageClasses...)
			f.SnapshotClasses = append([]plan.SnapshotClass{{Name: "a", Driver: "other.example", Default: true}}, f.SnapshotClasses...)
		}, false},
		"the namespace's annotations, which a run reads itself": {nil, func(f *plan.Facts) {
			f.Namespace.Annotations = map[string]string{plan.AnnotationPrivilegedMovers: "true"}
		}, false},
		"somebody else may not read it either": {forbidden("jane"), forbidden("joe"), false},
		"it may be read now":                   {forbidden("jane"), nil, true},
		"another class of the driver": {nil, func(f *plan.Facts) {
			f.SnapshotClasses = append(f.SnapshotClasses, plan.SnapshotClass{Name: "b", Driver: "rbd.csi.ceph.com"})
		}, true},
		"a class that keeps now": {nil, func(f *plan.Facts) { f.SnapshotClasses[0].DeletionPolicy = "Retain" }, true},
		"another default": {nil, func(f *plan.Facts) {
			f.StorageClasses = append(f.StorageClasses, plan.StorageClass{Name: "z", Provisioner: "other.example", Default: true})
		}, true},
	} {
		kept := func(change func(*plan.Facts)) string {
			in := cached(t)
			if change != nil {
				change(&in.Facts)
			}
			return classFactsOf(t, in)
		}
		if diff := cmp.Diff(kept(c.before), kept(c.after)); diff != "" != c.differs {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}

// TestNoUIDIsInAClassFact: the claim is another one in the next cluster, and the run would
// refuse it as one that has lost its volume.
func TestNoUIDIsInAClassFact(t *testing.T) {
	t.Parallel()
	in := cached(t)
	in.Facts.Claims[0].Volume.ClaimUID = in.Facts.Claims[0].UID
	if text := classFactsOf(t, in); !strings.Contains(text, "pvc-11111111") || strings.Contains(text, in.Facts.Claims[0].UID) {
		t.Errorf("the class facts are\n%s", text)
	}
}

// TestTheRoleCanEndAnyDeadRun: one that was begun before the manifest was changed may have
// made what the runs of this one do not.
func TestTheRoleCanEndAnyDeadRun(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"direct-consumer", "clone", "snapshot"} {
		s, _ := plan.BuildSchedule(scheduled(t, name), plan.ScheduleOptions{})
		rules := decoded(t, s).role.Rules
		for _, kind := range []struct{ group, resource string }{{"", "persistentvolumeclaims"}, {"", "pods"}, {plan.GroupSnapshot, "volumesnapshots"}} {
			for _, verb := range []string{"delete", "get", "list"} {
				if !has(rules, kind.group, kind.resource, verb) {
					t.Errorf("%s: no right to %s %s", name, verb, kind.resource)
				}
			}
		}
		if got := has(rules, plan.GroupSnapshot, "volumesnapshots", "create"); got != (name == "snapshot") {
			t.Errorf("%s: the right to create VolumeSnapshots is %t", name, got)
		}
		if has(rules, "", "pods/exec", "create") {
			t.Errorf("%s: without a hook there is the right to run commands in pods", name)
		}
	}
}

func has(rules []rbacv1.PolicyRule, group, resource, verb string) bool {
	for _, v := range ruleFor(rules, group, resource) {
		if v == verb {
			return true
		}
	}
	return false
}

// TestWhatMendsAScheduledRun is its schedule: it runs with the rights and by the manifest
// that come with that. Whoever makes the schedule is told something else.
func TestWhatMendsAScheduledRun(t *testing.T) {
	t.Parallel()
	fixOf := func(list problem.List, code string) (message, fix string) {
		for _, p := range list {
			if p.Code == code {
				return p.Message, p.Fix
			}
		}
		t.Fatalf("no %s in %v", code, list)
		return "", ""
	}
	for code, c := range map[string]struct {
		is     string
		change func(*plan.Facts)
	}{
		"VK518": {"snapshot", func(f *plan.Facts) {
			f.Rights = []plan.Right{{Verb: "create", Group: plan.GroupSnapshot, Resource: "volumesnapshots"}}
		}},
		"VK517": {"snapshot", func(f *plan.Facts) { f.Object.Spec = []byte(`{"sourcePVC":"other"}`) }},
		"VK501": {"snapshot", func(f *plan.Facts) {
			f.Claims, f.Unknown = nil, []plan.Unknown{{Fact: plan.FactClaims, Reason: "forbidden"}}
		}},
	} {
		in := scheduled(t, c.is)
		c.change(&in.Facts)
		_, byHand := plan.BuildBackup(in)
		if _, fix := fixOf(byHand, code); strings.Contains(fix, "schedule") {
			t.Errorf("%s by hand: %s", code, fix)
		}
		in.Options.Scheduled = true
		_, scheduled := plan.BuildBackup(in)
		if _, fix := fixOf(scheduled, code); !strings.HasPrefix(fix, "make the schedule again: kubectl volsync-kopia schedule -f FILE -n prod --apply") {
			t.Errorf("%s in a scheduled run: %s", code, fix)
		}
	}
	in := scheduled(t, "snapshot")
	in.Facts.Object.Spec = []byte(`{"sourcePVC":"other"}`)
	_, made := plan.BuildSchedule(in, plan.ScheduleOptions{})
	if _, fix := fixOf(made, "VK517"); !strings.Contains(fix, "kubectl apply the file") {
		t.Errorf("VK517 when the schedule is made: %s", fix)
	}
}

// TestWhoMayNotRemoveWhatAClassKeepsIsNamed, with what gives the right.
func TestWhoMayNotRemoveWhatAClassKeepsIsNamed(t *testing.T) {
	t.Parallel()
	in := scheduled(t, "retain-class")
	in.Facts.Rights = nil
	s, made := plan.BuildSchedule(in, plan.ScheduleOptions{})
	account := decoded(t, s).account.Name
	in.Options.Scheduled = true
	_, run := plan.BuildBackup(in)
	for where, list := range map[string]problem.List{"made": made, "run": run} {
		for _, p := range list {
			if p.Code != "VK519" {
				continue
			}
			wantMessage := "and ServiceAccount " + account + ", by its Role alone, cannot patch"
			wantFix := "kubectl create clusterrolebinding " + account + " --clusterrole=volsync-kopia-retain --serviceaccount=prod:" + account
			if !strings.Contains(p.Message, wantMessage) || !strings.Contains(p.Fix, wantFix) || strings.Contains(p.Message, "until it may") != (where == "made") {
				t.Errorf("%s: %s\n%s", where, p.Message, p.Fix)
			}
		}
		if len(codesOf(list, problem.Warning))+len(codesOf(list, problem.Error)) == 0 {
			t.Errorf("%s: nothing was found", where)
		}
	}
}

// TestAClassThatIsKnownCountsBesideOnesThatAreNot: class facts hold some and not all.
func TestAClassThatIsKnownCountsBesideOnesThatAreNot(t *testing.T) {
	t.Parallel()
	in := load(t, "wait-for-first-consumer")
	whole, _ := plan.BuildBackup(in)
	in.Facts.Unknown = append(in.Facts.Unknown, plan.Unknown{Fact: plan.FactStorageClasses, Reason: "x"})
	partly, _ := plan.BuildBackup(in)
	if whole.Copy.BindingMode == "" || whole.Copy.BindingMode != partly.Copy.BindingMode {
		t.Errorf("%q, and with others unknown %q", whole.Copy.BindingMode, partly.Copy.BindingMode)
	}
	in.Facts.StorageClasses = nil
	if _, findings := plan.BuildBackup(in); findings.HasErrors() {
		t.Errorf("a class that may be there is refused: %v", findings)
	}
}

package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// rolesOf are the roles for the Snapshot case in these namespaces, one after the
// other; hooks only in the last one.
func rolesOf(t *testing.T, namespaces ...string) *plan.Roles {
	t.Helper()
	roles := plan.NewRoles()
	for i, namespace := range namespaces {
		rights := plan.QuestionsFor(load(t, "snapshot").Document, namespace).Rights
		if i == len(namespaces)-1 {
			rights = append(rights, plan.HookNeeds(spec.Hooks{In: "deploy/wiki", Before: "true"})...)
		}
		roles.Add(namespace, rights)
	}
	return roles
}

func ruleFor(rules []rbacv1.PolicyRule, group, resource string) []string {
	for _, r := range rules {
		if slices.Equal(r.APIGroups, []string{group}) && slices.Equal(r.Resources, []string{resource}) {
			return r.Verbs
		}
	}
	return nil
}

func TestNoRoleReadsSecretsAndTheRoleStaysInItsNamespace(t *testing.T) {
	t.Parallel()
	roles := rolesOf(t, "prod")
	outside := []string{"namespaces", "nodes", "persistentvolumes", "storageclasses", "volumeattachments", "volumesnapshotclasses", "volumesnapshotcontents"}
	for _, rule := range slices.Concat(roles.Namespaced[0].Rules, roles.Facts.Rules, roles.Retain.Rules) {
		if strings.Contains(rule.Resources[0], "secrets") || slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
			t.Errorf("%v", rule)
		}
	}
	for _, rule := range roles.Namespaced[0].Rules {
		if slices.Contains(outside, rule.Resources[0]) {
			t.Errorf("the Role has a rule outside its namespace: %v", rule)
		}
	}
	for _, rule := range roles.Facts.Rules {
		if !slices.Contains(outside, rule.Resources[0]) || slices.ContainsFunc(rule.Verbs, func(v string) bool { return v != "get" && v != "list" }) {
			t.Errorf("the optional ClusterRole does more than to make facts known: %v", rule)
		}
	}
	for group, resource := range map[string]string{"": "nodes", plan.GroupSnapshot: "volumesnapshotcontents"} {
		if diff := cmp.Diff([]string{"get"}, ruleFor(roles.Facts.Rules, group, resource)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", resource, diff)
		}
	}
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{plan.GroupSnapshot}, Resources: []string{"volumesnapshotcontents"}, Verbs: []string{"patch"}},
		{APIGroups: []string{""}, Resources: []string{"persistentvolumes"}, Verbs: []string{"patch"}},
	}
	if diff := cmp.Diff(want, roles.Retain.Rules); diff != "" {
		t.Errorf("for Retain classes (-want +got):\n%s", diff)
	}
}

// TestTheRightsOfANamespaceAreMerged: the second source of a namespace may need
// what the first does not.
func TestTheRightsOfANamespaceAreMerged(t *testing.T) {
	t.Parallel()
	roles := rolesOf(t, "prod", "dev", "prod")
	if len(roles.Namespaced) != 2 {
		t.Fatalf("%d Roles, want one a namespace", len(roles.Namespaced))
	}
	for i, want := range []bool{true, false} {
		role := roles.Namespaced[i]
		if got := ruleFor(role.Rules, "", "pods/exec") != nil; got != want {
			t.Errorf("the Role of %s has pods/exec: %v, want %v", role.Namespace, got, want)
		}
	}
	if diff := cmp.Diff(rolesOf(t, "prod").Facts, roles.Facts); diff != "" {
		t.Errorf("the ClusterRole (-of one +of all):\n%s", diff)
	}
}

func TestBindingsDoNotTakeEachOthersPlace(t *testing.T) {
	t.Parallel()
	role := rolesOf(t, "prod").Namespaced[0]
	account := func(namespace, name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	}
	names := map[string]bool{}
	for _, subject := range []rbacv1.Subject{
		account("", "backup"), account("ci", "backup"), {Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "backup"},
	} {
		b := plan.Bind(role, subject)
		names[b.Name] = true
		if b.Namespace != "prod" || b.RoleRef.Name != role.Name || b.RoleRef.Kind != "Role" || b.Subjects[0].Name != "backup" {
			t.Errorf("%+v", b)
		}
	}
	if len(names) != 3 {
		t.Errorf("three subjects have the bindings %v", names)
	}
	if got := plan.Bind(role, account("", "backup")).Subjects[0].Namespace; got != "prod" {
		t.Errorf("the ServiceAccount's namespace is %q", got)
	}
}

// TestRightsAreJudgedWithoutACopy: every gap is told at once, also when it is not
// known how to copy.
func TestRightsAreJudgedWithoutACopy(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	in.Facts.Claims = nil
	in.Facts.Rights = []plan.Right{{Verb: "create", Group: "batch", Resource: "jobs"}}
	_, findings := plan.BuildBackup(in)
	codes := codesOf(findings, problem.Error)
	slices.Sort(codes)
	if diff := cmp.Diff([]string{"VK501", "VK518"}, codes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package suite

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// hookFlags are those of a source whose hooks run in a Deployment, which take the
// most rights.
func hookFlags() []string {
	return []string{"--exec-in", "deploy/x", "--exec-before", "true", "--exec-after", "true"}
}

// TestThePrintedRoleStaysInItsNamespace and reads no Secret, by what the API server
// says of its resources and of whoever has it; with hooks too.
func TestThePrintedRoleStaysInItsNamespace(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: keptCache})
	clusterScoped := n.clusterScoped()
	for _, flags := range [][]string{nil, hookFlags()} {
		rules := n.printedRoles(flags...).role.Rules
		if hasHooks := grants(rules, "pods/exec"); len(rules) == 0 || hasHooks != (flags != nil) {
			t.Errorf("with the flags %v the Role is %v", flags, rules)
		}
		for _, rule := range rules {
			if why := excessive(rule, clusterScoped); why != "" {
				t.Errorf("with the flags %v the Role has the rule %v: %s", flags, rule, why)
			}
		}
	}
	n.employ(hookFlags()...)
	roles := n.printedRoles(hookFlags()...)
	n.grantCluster(roles.facts)
	n.grantCluster(roles.retain)
	for _, verb := range []string{"get", "list", "watch"} {
		for _, namespace := range []string{n.name, ""} {
			if n.may(runner, namespace, right{verb, "", "secrets"}) {
				t.Errorf("with all that is printed one may %s Secrets in namespace %q", verb, namespace)
			}
		}
	}
}

// clusterScoped are the resources that belong to no namespace, by discovery.
func (n *space) clusterScoped() map[string]bool {
	n.t.Helper()
	lists, err := shared.typed.Discovery().ServerPreferredResources()
	n.must(err)
	found := map[string]bool{}
	for _, list := range discovery.FilteredBy(discovery.ResourcePredicateFunc(func(_ string, r *metav1.APIResource) bool { return !r.Namespaced }), lists) {
		for i := range list.APIResources {
			found[list.APIResources[i].Name] = true
		}
	}
	if !found["nodes"] {
		n.t.Fatalf("discovery finds no nodes: %v", found)
	}
	return found
}

// grants reports whether one of the rules is about the resource.
func grants(rules []rbacv1.PolicyRule, resource string) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, resource) })
}

// excessive says what a rule has that no Role of this tool may have; empty: nothing.
func excessive(rule rbacv1.PolicyRule, clusterScoped map[string]bool) string {
	if len(rule.NonResourceURLs) > 0 {
		return "a path that is no resource"
	}
	for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs) {
		if strings.Contains(word, "*") {
			return "everything"
		}
	}
	for _, verb := range rule.Verbs {
		if slices.Contains([]string{"impersonate", "bind", "escalate"}, verb) {
			return "the rights of others"
		}
	}
	for _, resource := range rule.Resources {
		switch name, _, _ := strings.Cut(resource, "/"); {
		case clusterScoped[name]:
			return "a resource of no namespace"
		case name == "secrets", resource == "serviceaccounts/token":
			return "credentials"
		}
	}
	return ""
}

// TestExcessiveRulesAreFound: each word alone is enough.
func TestExcessiveRulesAreFound(t *testing.T) {
	t.Parallel()
	rule := func(group, resource, verb string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{"pods", resource}, Verbs: []string{"get", verb}}
	}
	outside := map[string]bool{"nodes": true}
	for _, bad := range []rbacv1.PolicyRule{
		rule("", "pods", "*"), rule("", "*", "get"), rule("*", "pods", "get"), rule("", "*/status", "get"), rule("", "pods", "impersonate"),
		rule("", "secrets", "get"), rule("", "serviceaccounts/token", "create"), rule("", "nodes", "get"), rule("", "nodes/proxy", "get"),
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	} {
		if excessive(bad, outside) == "" {
			t.Errorf("%v is let pass", bad)
		}
	}
	if why := excessive(rule("", "pods/log", "list"), outside); why != "" {
		t.Errorf("a harmless rule is said to have %s", why)
	}
}

// outside are the facts that the Role does not make known.
func outside() []string {
	return []string{"namespace", "snapshotClasses", "storageClasses", "volumes"}
}

// TestTheOptionalClusterRole: without it facts are unknown and named in the plan;
// with it they are known, and the run sees the volumes gone.
func TestTheOptionalClusterRole(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	for _, found := range [][]string{n.unknown(), n.shownUnknown()} {
		if diff := cmp.Diff(outside(), found); diff != "" {
			t.Errorf("unknown without it (-want +got):\n%s", diff)
		}
	}
	n.grantCluster(n.printedRoles().facts)
	for _, found := range [][]string{n.unknown(), n.shownUnknown()} {
		if len(found) > 0 {
			t.Errorf("unknown with it: %v", found)
		}
	}
	before := n.atRest().inventory()
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	n.leftNothing(before)
}

// shownUnknown are the facts that the plan, as people read it, does not have.
func (n *space) shownUnknown() []string {
	n.t.Helper()
	end := call(n.t, "plan", "-f", n.file)
	if end.code != 0 {
		n.t.Fatalf("plan ended with %d\n%s", end.code, end.stderr)
	}
	var facts []string
	for line := range strings.Lines(end.stdout) {
		if fact, found := strings.CutPrefix(line, "Unknown: "); found {
			name, _, _ := strings.Cut(fact, " (")
			facts = append(facts, name)
		}
	}
	slices.Sort(facts)
	return facts
}

// unknown are the facts that the plan of the namespace's source does not have.
func (n *space) unknown() []string {
	n.t.Helper()
	var p struct {
		Unknown []struct{ Fact string }
	}
	call(n.t, "plan", "-f", n.file, "-o", "json").decode(n.t, 0, &p)
	var facts []string
	for _, u := range p.Unknown {
		facts = append(facts, u.Fact)
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// TestPrintedBindingsBindWhomTheyName: the output, applied as it is, lets the
// ServiceAccount run a backup; no administrator is in its kubeconfig.
func TestPrintedBindingsBindWhomTheyName(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Direct"})
	roles := n.printedRoles("--for", "other")
	want := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: n.name, Name: "other"}}
	if diff := cmp.Diff(want, roles.bindings[0].Subjects); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	kubeconfig := n.account("other")
	config, err := os.ReadFile(kubeconfig)
	n.must(err)
	if strings.Contains(string(config), "client-key") || strings.Contains(string(config), "as:") {
		t.Fatal("the kubeconfig holds more than the account's token")
	}
	if end := callAs(t, kubeconfig, "doctor", "-f", n.file); end.code != 5 || !strings.Contains(end.stdout, "FAIL  rights:") {
		t.Errorf("without the binding doctor ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	_, err = shared.typed.RbacV1().RoleBindings(n.name).Create(t.Context(), &roles.bindings[0], metav1.CreateOptions{})
	n.must(err)
	n.untilAllowed("other", n.name, roles.role.Rules)
	end := callAs(t, kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
	var r result.Result
	if err := json.Unmarshal([]byte(end.stdout), &r); err != nil || end.code != 0 || r.Outcome != result.Succeeded {
		t.Errorf("the backup ended with %d, %v\n%s%s", end.code, err, end.stdout, end.stderr)
	}
}

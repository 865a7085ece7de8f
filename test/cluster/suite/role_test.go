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

// TestThePrintedRoleStaysInItsNamespace and reads no Secret, by what the API server
// says of its resources and of whoever has it.
func TestThePrintedRoleStaysInItsNamespace(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	lists, err := shared.typed.Discovery().ServerPreferredResources()
	n.must(err)
	clusterScoped := map[string]bool{}
	for _, list := range discovery.FilteredBy(discovery.ResourcePredicateFunc(func(_ string, r *metav1.APIResource) bool { return !r.Namespaced }), lists) {
		for i := range list.APIResources {
			clusterScoped[list.APIResources[i].Name] = true
		}
	}
	if !clusterScoped["nodes"] {
		t.Fatalf("discovery finds no nodes: %v", clusterScoped)
	}
	roles := n.printedRoles()
	for _, rule := range roles.role.Rules {
		for _, resource := range rule.Resources {
			if name, _, _ := strings.Cut(resource, "/"); clusterScoped[name] || name == "secrets" || name == "*" {
				t.Errorf("the Role has the rule %v", rule)
			}
		}
	}
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

// TestTheOptionalClusterRole: without it facts are unknown and named in the plan;
// with it they are known, and the run sees the volumes gone.
func TestTheOptionalClusterRole(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	outside := []string{"namespace", "snapshotClasses", "storageClasses", "volumes"}
	if diff := cmp.Diff(outside, n.unknown()); diff != "" {
		t.Errorf("unknown without it (-want +got):\n%s", diff)
	}
	text := call(t, "plan", "-f", n.file).stdout
	for _, fact := range outside {
		if !strings.Contains(text, fact) {
			t.Errorf("the plan does not name %s as unknown:\n%s", fact, text)
		}
	}
	n.grantCluster(n.printedRoles().facts)
	if unknown := n.unknown(); len(unknown) > 0 {
		t.Errorf("unknown with it: %v", unknown)
	}
	before := n.atRest().inventory()
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	n.leftNothing(before)
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

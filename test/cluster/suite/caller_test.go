package suite

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// runner is the ServiceAccount that a namespace's commands are run as. It has the
// Role that the command prints for the namespace's manifest, and nothing else.
const runner = "runner"

// callers are the kubeconfigs of the tests' namespaces, by the test's name.
var callers sync.Map //nolint:gochecknoglobals // the tests of the package run beside each other

// callerOf is the kubeconfig of the test's namespace, which one of the tests above
// it may have made.
func callerOf(t testing.TB) string {
	t.Helper()
	for name, more := t.Name(), true; more; {
		if found, ok := callers.Load(name); ok {
			return found.(string)
		}
		i := strings.LastIndex(name, "/")
		more, name = i >= 0, name[:max(i, 0)]
	}
	t.Fatal("the test has no namespace, so that nobody has its Role; name the caller")
	return ""
}

// employ makes the runner, with the printed Role, and lets the test's commands be
// run as it. args are flags on which the Role depends; it may be called again.
func (n *space) employ(args ...string) {
	n.t.Helper()
	roles := n.printedRoles(append([]string{"--for", runner}, args...)...)
	if n.kubeconfig == "" {
		n.kubeconfig = n.account(runner)
		callers.Store(n.t.Name(), n.kubeconfig)
		n.t.Cleanup(func() { callers.Delete(n.t.Name()) })
	}
	n.grant(roles.role, roles.bindings[0])
}

// printed is what doctor --print-role prints.
type printed struct {
	role     rbacv1.Role
	bindings []rbacv1.RoleBinding
	// facts and retain are the optional ones.
	facts, retain rbacv1.ClusterRole
}

// printedRoles are the roles for the namespace's manifest. It takes no cluster.
func (n *space) printedRoles(args ...string) printed {
	n.t.Helper()
	end := callAs(n.t, os.DevNull, append([]string{"doctor", "--print-role", "-f", n.file}, args...)...)
	if end.code != 0 {
		n.t.Fatalf("doctor --print-role ended with %d\n%s", end.code, end.stderr)
	}
	var p printed
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(end.stdout), 4096)
	for {
		var raw struct {
			metav1.TypeMeta   `json:",inline"`
			metav1.ObjectMeta `json:"metadata"`
			Rules             []rbacv1.PolicyRule `json:"rules"`
			RoleRef           rbacv1.RoleRef      `json:"roleRef"`
			Subjects          []rbacv1.Subject    `json:"subjects"`
		}
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return p
		} else if err != nil {
			n.t.Fatal(err)
		}
		switch raw.Kind + " " + raw.Name {
		case "Role volsync-kopia":
			p.role = rbacv1.Role{ObjectMeta: raw.ObjectMeta, Rules: raw.Rules}
		case "ClusterRole volsync-kopia":
			p.facts = rbacv1.ClusterRole{ObjectMeta: raw.ObjectMeta, Rules: raw.Rules}
		case "ClusterRole volsync-kopia-retain":
			p.retain = rbacv1.ClusterRole{ObjectMeta: raw.ObjectMeta, Rules: raw.Rules}
		default:
			p.bindings = append(p.bindings, rbacv1.RoleBinding{ObjectMeta: raw.ObjectMeta, RoleRef: raw.RoleRef, Subjects: raw.Subjects})
		}
	}
}

// account makes a ServiceAccount without any right, and returns a kubeconfig with
// its token: nothing of the administrator is in it.
func (n *space) account(name string) string {
	n.t.Helper()
	accounts := shared.typed.CoreV1().ServiceAccounts(n.name)
	_, err := accounts.Create(n.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	n.must(err)
	hours := int64(6 * 60 * 60)
	token, err := accounts.CreateToken(n.t.Context(), name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours},
	}, metav1.CreateOptions{})
	n.must(err)
	return n.withToken(token.Status.Token)
}

// withToken is a kubeconfig with a token and nothing of the administrator's.
func (n *space) withToken(token string) string {
	n.t.Helper()
	config, err := clientcmd.LoadFromFile(shared.administrator)
	n.must(err)
	for user := range config.AuthInfos {
		config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	}
	path := filepath.Join(n.t.TempDir(), "kubeconfig")
	n.must(clientcmd.WriteToFile(*config, path))
	return path
}

// grant applies a Role and its binding, and waits until the API server goes by
// them.
func (n *space) grant(role rbacv1.Role, binding rbacv1.RoleBinding) {
	n.t.Helper()
	rbac := shared.typed.RbacV1()
	_, err := rbac.Roles(n.name).Create(n.t.Context(), &role, metav1.CreateOptions{})
	if err != nil { // it was granted before, with fewer rights
		_, err = rbac.Roles(n.name).Update(n.t.Context(), &role, metav1.UpdateOptions{})
		n.must(err)
	} else {
		_, err = rbac.RoleBindings(n.name).Create(n.t.Context(), &binding, metav1.CreateOptions{})
		n.must(err)
	}
	n.untilAllowed(binding.Subjects[0].Name, n.name, role.Rules)
}

// untilAllowed waits until a ServiceAccount has the rights of the rules.
func (n *space) untilAllowed(account, namespace string, rules []rbacv1.PolicyRule) {
	n.t.Helper()
	for _, rule := range rules {
		r := right{rule.Verbs[0], rule.APIGroups[0], rule.Resources[0]}
		name := strings.Join(rule.ResourceNames, "") // of one object, or of all
		n.until(account+" may "+r.String(), func(context.Context) bool { return n.mayName(account, namespace, r, name) })
	}
}

// may reports whether the API server allows a ServiceAccount of the namespace
// something; in no namespace: in all, and what belongs to none.
func (n *space) may(account, namespace string, r right) bool {
	n.t.Helper()
	return n.mayName(account, namespace, r, "")
}

// mayName is may for the object of the name alone; empty: for all.
func (n *space) mayName(account, namespace string, r right, name string) bool {
	n.t.Helper()
	resource, sub, _ := strings.Cut(r.resource, "/")
	review, err := shared.typed.AuthorizationV1().SubjectAccessReviews().Create(n.t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   n.user(account),
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + n.name, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Name: name,
			},
		},
	}, metav1.CreateOptions{})
	n.must(err)
	return review.Status.Allowed
}

// user is a ServiceAccount's name as the API server knows it.
func (n *space) user(account string) string {
	return "system:serviceaccount:" + n.name + ":" + account
}

// grantCluster gives the runner one of the optional ClusterRoles, until the test
// ends.
func (n *space) grantCluster(role rbacv1.ClusterRole) {
	n.t.Helper()
	rbac := shared.typed.RbacV1()
	role.Name += "-" + n.name // each test may have its own
	_, err := rbac.ClusterRoles().Create(n.t.Context(), &role, metav1.CreateOptions{})
	n.must(err)
	_, err = rbac.ClusterRoleBindings().Create(n.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: n.name, Name: runner}},
	}, metav1.CreateOptions{})
	n.must(err)
	n.t.Cleanup(func() {
		ctx := context.WithoutCancel(n.t.Context())
		if err := errors.Join(
			rbac.ClusterRoleBindings().Delete(ctx, role.Name, metav1.DeleteOptions{}), rbac.ClusterRoles().Delete(ctx, role.Name, metav1.DeleteOptions{}),
		); err != nil {
			n.t.Error(err)
		}
	})
	n.untilAllowed(runner, "", role.Rules)
	n.seesVolumes = n.seesVolumes || slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
		return r.Resources[0] == "persistentvolumes" && slices.Contains(r.Verbs, "get")
	})
}

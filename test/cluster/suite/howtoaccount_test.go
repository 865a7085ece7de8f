package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// sourcesOf are the files of a page.
func sourcesOf(steps []step) []string {
	var texts []string
	for i := range steps {
		if steps[i].file != "" {
			texts = append(texts, steps[i].text)
		}
	}
	return texts
}

// hooksPattern finds where a command of a page has hooks run.
var hooksPattern = regexp.MustCompile(`--exec-in[ =](\S+)`)

// hired gives the reader an account with the Role that doctor prints for the sources
// and maintenances of the page and the hooks of its commands.
func (r *reader) hired(texts []string, steps []step) {
	r.t.Helper()
	dir := r.t.TempDir()
	var flags []string
	for i, text := range texts {
		file := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		r.must(os.WriteFile(file, []byte(r.names.in(text)), 0o600))
		runs := strings.Contains(text, "kind: ReplicationSource") || strings.Contains(text, "kind: KopiaMaintenance")
		if !runs || callAs(r.t, os.DevNull, "validate", "-f", file).code == 3 { // one page shows what is wrong with its manifest
			continue
		}
		if r.file != "" {
			flags = append(flags, "-f", file)
			continue
		}
		r.file = file
	}
	in := ""
	for i := range steps {
		// To run hooks in a Deployment takes the rights for a pod, and more.
		if found := hooksPattern.FindStringSubmatch(steps[i].command); found != nil && !strings.HasPrefix(in, "deploy/") {
			in = found[1]
		}
	}
	if in != "" {
		flags = append(flags, "--exec-in", in, "--exec-before", "true", "--exec-after", "true")
	}
	r.employ(flags...)
}

// untilInForce waits until the API server goes by a RoleBinding that was applied.
func (r *reader) untilInForce(o *unstructured.Unstructured) {
	r.t.Helper()
	if o.GetKind() != "RoleBinding" {
		return
	}
	var binding rbacv1.RoleBinding
	r.must(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &binding))
	role, err := shared.typed.RbacV1().Roles(r.name).Get(r.t.Context(), binding.RoleRef.Name, metav1.GetOptions{})
	r.must(err)
	r.untilAllowed(binding.Subjects[0].Name, r.name, role.Rules)
}

// creates does what kubectl create does, and returns what it prints. The pages use
// two of its commands.
func (r *reader) creates(words []string) string {
	r.t.Helper()
	command := strings.Join(words, " ")
	if found := tokenPattern.FindStringSubmatch(command); found != nil && found[2] == r.name {
		return r.createsToken(found[1])
	}
	if found := bindingPattern.FindStringSubmatch(command); found != nil && found[3] == r.name {
		return r.createsBinding(found[1], found[2], found[4])
	}
	r.t.Fatalf("%s: no kubectl create %s here", r.page, command)
	return ""
}

var (
	tokenPattern   = regexp.MustCompile(`^token (\S+) -n (\S+)$`)
	bindingPattern = regexp.MustCompile(`^clusterrolebinding (\S+) --clusterrole=(\S+) --serviceaccount=([^:]+):(\S+)$`)
)

// createsToken makes a token of an account. From now on the reader's commands, and
// those of his pipelines, are run with it.
func (r *reader) createsToken(account string) string {
	r.t.Helper()
	token, err := shared.typed.CoreV1().ServiceAccounts(r.name).CreateToken(r.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	r.must(err)
	r.kubeconfig = r.withToken(token.Status.Token)
	return token.Status.Token + "\n"
}

// createsBinding binds a ClusterRole that the reader has applied, and which has since
// then a name of his own, as the binding has.
func (r *reader) createsBinding(name, role, account string) string {
	r.t.Helper()
	rbac, own := shared.typed.RbacV1(), func(name string) string { return name + "-" + r.name }
	bound, err := rbac.ClusterRoles().Get(r.t.Context(), own(role), metav1.GetOptions{})
	r.must(err)
	_, err = rbac.ClusterRoleBindings().Create(r.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: own(name)},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: bound.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.name, Name: account}},
	}, metav1.CreateOptions{})
	r.must(err)
	r.t.Cleanup(func() { r.must(rbac.ClusterRoleBindings().Delete(contextOf(r.t), own(name), metav1.DeleteOptions{})) })
	r.untilAllowed(account, "", bound.Rules)
	return "clusterrolebinding.rbac.authorization.k8s.io/" + name + " created\n"
}

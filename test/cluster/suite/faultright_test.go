package suite

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// rightFaults take each right of the printed Role away, one at a time.
func rightFaults() []faultRow {
	return []faultRow{{
		name: "no rights, for each verb in turn", live: true,
		given: func(f *faulted) { f.triggersCopies() },
		meet: func(f *faulted) ended {
			rights := rightsOf(f.printedRoles().role)
			if len(rights) < 35 {
				f.t.Fatalf("the Role has %d rights: %v", len(rights), rights)
			}
			whole := f.caller("whole", rights)
			if end := callAs(f.t, whole, "doctor", "-f", f.file); end.code != 0 {
				f.t.Fatalf("the whole Role is not enough: %d\n%s%s", end.code, end.stdout, end.stderr)
			}
			refused := 0
			for i, lacking := range rights {
				rest := slices.Delete(slices.Clone(rights), i, i+1)
				f.lacks(f.caller(fmt.Sprintf("caller-%d", i), rest), fmt.Sprintf("caller-%d", i), lacking)
				refused++
			}
			f.shows("%d callers, each denied one right by a SubjectAccessReview", refused)
			f.rests() // the callers stay
			f.trigger("two")
			end := callAs(f.t, whole, f.arguments()...)
			if end.code != 0 {
				f.t.Fatalf("with the whole Role it ended with %d\n%s%s", end.code, end.stdout, end.stderr)
			}
			return ended{code: 5, stdout: fmt.Sprintf("%d of %d refused, each with the right's name; the whole Role is enough", refused, len(rights))}
		},
		mend: func(f *faulted) { f.trigger("three") },
		code: 5, says: "refused",
	}}
}

// right is one verb on one resource.
type right struct{ verb, group, resource string }

// String is the right as the command names it.
func (r right) String() string {
	name, sub, ok := strings.Cut(r.resource, "/")
	if r.group != "" {
		name += "." + r.group
	}
	if ok {
		name += "/" + sub
	}
	return r.verb + " " + name
}

// elsewhere are the rights that no backup uses: the command that does, its exit
// code and what it says without.
func elsewhere() map[string]struct {
	args []string
	code int
	says string
} {
	type use = struct {
		args []string
		code int
		says string
	}
	return map[string]use{
		"list leases.coordination.k8s.io":         {[]string{"cleanup"}, 5, `cannot list resource "leases"`},
		"list configmaps":                         {[]string{"status"}, 5, `cannot list resource "configmaps"`},
		"list replicationsources.volsync.backube": {[]string{"status"}, 5, `cannot list resource "replicationsources"`},
		"list resourcequotas":                     {[]string{"doctor"}, 0, `quotas: unknown:.*cannot list resource "resourcequotas"`},
	}
}

// lacks fails the test unless a caller without the right is refused with its
// name, and nothing is made.
func (f *faulted) lacks(kubeconfig, caller string, lacking right) {
	f.t.Helper()
	f.denied(caller, lacking)
	args, code, says := f.arguments(), 5, "missing rights in namespace[^;]*: "+regexp.QuoteMeta(lacking.String())+"$"
	if use, ok := elsewhere()[lacking.String()]; ok {
		args, code, says = append(use.args, "-n", f.name), use.code, use.says
		if use.args[0] == "doctor" {
			args = append(args, "-f", f.file)
		}
	}
	f.atRest()
	before := f.now()
	end := callAs(f.t, kubeconfig, args...)
	if end.code != code || !regexp.MustCompile("(?m)"+says).MatchString(end.stdout+end.stderr) {
		f.t.Errorf("without the right to %s: %s ended with %d, want %d and %q\n%s%s", lacking, args[0], end.code, code, says, end.stdout, end.stderr)
	}
	if diff := cmp.Diff(before, f.now()); diff != "" {
		f.t.Fatalf("without the right to %s: made (-before +now)\n%s", lacking, diff)
	}
}

// rightsOf are a Role's rights, one by one.
func rightsOf(role rbacv1.Role) []right {
	var rights []right
	for _, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			rights = append(rights, right{verb, rule.APIGroups[0], rule.Resources[0]})
		}
	}
	return rights
}

// caller gives these rights, and no others, to a ServiceAccount, and returns its
// kubeconfig.
func (f *faulted) caller(name string, rights []right) string {
	f.t.Helper()
	role := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, r := range rights {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{Verbs: []string{r.verb}, APIGroups: []string{r.group}, Resources: []string{r.resource}})
	}
	kubeconfig := f.account(name)
	f.grant(role, rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: f.name, Name: name}},
	})
	return kubeconfig
}

// denied fails the test unless the API server denies the caller the right.
func (f *faulted) denied(caller string, lacking right) {
	f.t.Helper()
	if f.may(caller, f.name, lacking) {
		f.t.Fatalf("%s may %s", caller, lacking)
	}
}

// triggersCopies makes the source's copies wait for a trigger, which takes one
// more right.
func (f *faulted) triggersCopies() {
	f.t.Helper()
	f.annotates(`{"volsync.backube/use-copy-trigger":"true"}`)
	f.trigger("one")
}

// trigger sets a new value of the copy trigger.
func (f *faulted) trigger(value string) {
	f.t.Helper()
	f.annotates(`{"volsync.backube/copy-trigger":"` + value + `"}`)
}

func (f *faulted) annotates(annotations string) {
	f.t.Helper()
	_, err := shared.typed.CoreV1().PersistentVolumeClaims(f.name).Patch(f.t.Context(), "data", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":`+annotations+`}}`), metav1.PatchOptions{})
	f.must(err)
}

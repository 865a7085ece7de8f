package suite

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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
	}, {
		name: "no rights for hooks, for each verb in turn", given: (*faulted).deploys,
		meet: (*faulted).lacksHookRights,
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

// lacksHookRights takes each right away that the Role has only for a source with
// hooks in a Deployment.
func (f *faulted) lacksHookRights() ended {
	f.t.Helper()
	hooks := []string{"--exec-in", "deploy/app", "--exec-before", "echo it rests", "--exec-after", "echo it goes on"}
	plain, rights := rightsOf(f.printedRoles().role), rightsOf(f.printedRoles(hooks...).role)
	create, get, deployments := right{"create", "", "pods/exec"}, right{"get", "", "pods/exec"}, right{"get", "apps", "deployments"}
	var found []string
	without := map[right]string{}
	for i, lacking := range rights {
		if !slices.Contains(plain, lacking) {
			name := fmt.Sprintf("caller-%d", i)
			found = append(found, lacking.String())
			without[lacking] = f.caller(name, slices.Delete(slices.Clone(rights), i, i+1))
			f.denied(name, lacking)
		}
	}
	if diff := cmp.Diff(sorted([]string{create.String(), get.String(), deployments.String()}), sorted(found)); diff != "" {
		f.t.Fatalf("the rights for hooks (-want +got):\n%s", diff)
	}
	f.rests() // the callers stay
	f.refusedFor(create, without[create], hooks...)
	f.refusedFor(deployments, without[deployments], hooks...)
	f.hooksRun(without[get], hooks...) // over the older protocol
	f.shows("%d callers, each denied one right by a SubjectAccessReview", len(found))
	f.hooksRun(f.caller("whole", rights), hooks...)
	f.rests()
	return ended{code: 5, stdout: "2 of 3 refused, each with the right's name; the third is optional, the whole Role is enough"}
}

// hooksRun fails the test unless a backup of the caller's runs both hooks.
func (f *faulted) hooksRun(kubeconfig string, hooks ...string) {
	f.t.Helper()
	end := callAs(f.t, kubeconfig, f.arguments(hooks...)...)
	if end.code != 0 || !strings.Contains(end.stderr, "before hook: it rests\n") || !strings.Contains(end.stderr, "after hook: it goes on\n") {
		f.t.Errorf("it ended with %d, or ran no hooks\n%s%s", end.code, end.stdout, end.stderr)
	}
}

// deploys runs the application of the hooks as a Deployment, and waits until it is ready.
func (f *faulted) deploys() {
	f.t.Helper()
	labels := map[string]string{"app": "app"}
	deployments := shared.typed.AppsV1().Deployments(f.name)
	_, err := deployments.Create(f.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64(1)),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{
						Name: "main", Image: moverImage, Command: []string{"sleep", "100000"},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
					}},
				},
			},
		},
	}, metav1.CreateOptions{})
	f.must(err)
	f.until("the application is ready", func(ctx context.Context) bool {
		d, err := deployments.Get(ctx, "app", metav1.GetOptions{})
		f.must(err)
		return d.Status.ReadyReplicas == 1
	})
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
		"list kopiamaintenances.volsync.backube":  {[]string{"status"}, 0, `Only the KopiaMaintenances with a history.*cannot list resource "kopiamaintenances"`},
		"list cronjobs.batch":                     {[]string{"status"}, 0, `judged by the objects alone.*cannot list resource "cronjobs"`},
		"list resourcequotas":                     {[]string{"doctor"}, 0, `quotas: unknown:.*cannot list resource "resourcequotas"`},
	}
}

// lacks fails the test unless a caller without the right is refused with its
// name, and nothing is made.
func (f *faulted) lacks(kubeconfig, caller string, lacking right) {
	f.t.Helper()
	f.denied(caller, lacking)
	use, ok := elsewhere()[lacking.String()]
	if !ok {
		f.refusedFor(lacking, kubeconfig)
		return
	}
	args := append(use.args, "-n", f.name)
	if use.args[0] == "doctor" {
		args = append(args, "-f", f.file)
	}
	f.saysWithout(lacking, kubeconfig, use.code, use.says, args...)
}

// refusedFor fails the test unless a backup is refused for want of the right.
func (f *faulted) refusedFor(lacking right, kubeconfig string, args ...string) {
	f.t.Helper()
	f.saysWithout(lacking, kubeconfig, 5, "missing rights in namespace[^;]*: "+regexp.QuoteMeta(lacking.String())+"$", f.arguments(args...)...)
}

// saysWithout fails the test unless a command without the right ends and speaks like
// this, and makes nothing.
func (f *faulted) saysWithout(lacking right, kubeconfig string, code int, says string, args ...string) {
	f.t.Helper()
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

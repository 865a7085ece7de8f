package k8s

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/apiservertest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// applying is a namespace of a real API server, in which the objects of a schedule are
// applied.
type applying struct {
	t       *testing.T
	config  *rest.Config
	name    string
	admin   *Cluster
	objects []plan.Template
}

func newApplying(t *testing.T) *applying {
	t.Helper()
	config := apiservertest.Config(t)
	a := &applying{t: t, config: config}
	a.admin = a.connect(config)
	made, err := a.admin.typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "schedule-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.name = made.Name
	t.Cleanup(a.remove)
	a.objects = a.read()
	return a
}

func (a *applying) connect(config *rest.Config) *Cluster {
	a.t.Helper()
	typed, err := kubernetes.NewForConfig(config)
	a.must(err)
	objects, err := dynamic.NewForConfig(config)
	a.must(err)
	return &Cluster{typed: typed, dynamic: objects, config: config}
}

func (a *applying) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// remove deletes what the test made. There is no controller that ends a namespace.
func (a *applying) remove() {
	ctx := context.WithoutCancel(a.t.Context())
	for _, kind := range scheduleKinds() {
		client, err := a.admin.objects(kind, a.name)
		a.must(err)
		a.must(client.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	}
	namespaces := a.admin.typed.CoreV1().Namespaces()
	a.must(namespaces.Delete(ctx, a.name, metav1.DeleteOptions{}))
	_, err := namespaces.Finalize(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.name}}, metav1.UpdateOptions{})
	a.must(err)
}

// read reads the schedule of a golden case, in the test's namespace.
func (a *applying) read() []plan.Template {
	a.t.Helper()
	text, err := os.ReadFile("../../testdata/golden/snapshot/schedule.yaml")
	a.must(err)
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []plan.Template
	for {
		var o unstructured.Unstructured
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			a.t.Fatal(err)
		}
		if o.SetNamespace(a.name); o.GetKind() == "RoleBinding" {
			subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
			subjects[0].(map[string]any)["namespace"] = a.name
			a.must(unstructured.SetNestedSlice(o.Object, subjects, "subjects"))
		}
		objects = append(objects, o.Object)
	}
}

// of is the object of the kind.
func (a *applying) of(kind string) plan.Template {
	for _, o := range a.objects {
		if o["kind"] == kind {
			return o
		}
	}
	a.t.Fatalf("no %s", kind)
	return nil
}

// set changes a field of the object of the kind, as another version or another manifest
// would.
func (a *applying) set(kind string, value any, path ...string) {
	a.t.Helper()
	a.must(unstructured.SetNestedField(a.of(kind), value, path...))
}

// live is the object of the kind as the server has it; nil: it has none.
func (a *applying) live(kind string) *unstructured.Unstructured {
	a.t.Helper()
	client, err := a.admin.objects(kind, a.name)
	a.must(err)
	found, err := client.Get(a.t.Context(), a.of(kind).Name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	a.must(err)
	return found
}

// none fails the test if one of the kinds exists.
func (a *applying) none(kinds ...string) {
	a.t.Helper()
	for _, kind := range kinds {
		if a.live(kind) != nil {
			a.t.Errorf("%s was made", kind)
		}
	}
}

// apply applies the objects and returns what became of each.
func (a *applying) apply(c *Cluster, force bool) ([]string, error) {
	a.t.Helper()
	applied, err := c.ApplySchedule(a.t.Context(), a.objects, force)
	var changes []string
	for _, one := range applied {
		changes = append(changes, one.Object.GetKind()+" "+string(one.Change))
	}
	return changes, err
}

// applied applies the objects, which must go well.
func (a *applying) applied(want ...string) {
	a.t.Helper()
	changes, err := a.apply(a.admin, false)
	a.must(err)
	if diff := cmp.Diff(want, changes); diff != "" {
		a.t.Errorf("(-want +got):\n%s", diff)
	}
}

// says fails the test unless the error is of the kind, and its report has the words.
func (a *applying) says(err error, kind fault.Kind, words ...string) {
	a.t.Helper()
	var report strings.Builder
	fault.Report(&report, err)
	if err == nil || fault.KindOf(err) != kind {
		a.t.Errorf("%v: %s, want %s", err, fault.KindOf(err), kind)
	}
	for _, word := range words {
		if !strings.Contains(report.String(), word) {
			a.t.Errorf("does not say %q:\n%s", word, report.String())
		}
	}
}

// as is the server for a new user who has the rights of the rules.
func (a *applying) as(user string, rules ...rbacv1.PolicyRule) *Cluster {
	a.t.Helper()
	rbac := a.admin.typed.RbacV1()
	_, err := rbac.Roles(a.name).Create(a.t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}, metav1.CreateOptions{})
	a.must(err)
	_, err = rbac.RoleBindings(a.name).Create(a.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	a.must(err)
	config := rest.CopyConfig(a.config)
	config.Impersonate.UserName = user
	c := a.connect(config)
	for len(rules) > 0 { // the server's own view of Roles trails
		review, err := c.rulesIn(a.t.Context(), a.name)
		a.must(err)
		if every, _ := rulesAllow(review.ResourceRules, plan.Right{Verb: rules[0].Verbs[0], Group: rules[0].APIGroups[0], Resource: rules[0].Resources[0]}); every {
			break
		}
	}
	return c
}

// needs are the rights of the verbs of schedule, as rules.
func needs() []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, need := range plan.ScheduleNeeds() {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{need.Group}, Resources: []string{need.Resource}, Verbs: need.Verbs})
	}
	return rules
}

// granted are the rules of the schedule's own Role.
func (a *applying) granted() []rbacv1.PolicyRule {
	a.t.Helper()
	var role rbacv1.Role
	a.must(convert(&unstructured.Unstructured{Object: a.of("Role")}, &role))
	return role.Rules
}

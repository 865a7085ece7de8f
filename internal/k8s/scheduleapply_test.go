package k8s

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestApplyOnAnAPIServer(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	a.applied("ServiceAccount created", "Role created", "RoleBinding created", "ConfigMap created", "CronJob created")
	versions := map[string]types.UID{}
	for _, kind := range scheduleKinds() {
		versions[kind] = a.live(kind).GetUID()
	}
	a.applied("ServiceAccount unchanged", "Role unchanged", "RoleBinding unchanged", "ConfigMap unchanged", "CronJob unchanged")

	// Another manifest and another version: in place, and what is left out goes.
	s, err := a.admin.FindSchedule(t.Context(), a.name, "", "postgres")
	a.must(err)
	_, err = a.admin.Suspend(t.Context(), s, true)
	a.must(err)
	a.set("ConfigMap", map[string]any{"manifest.yaml": "kind: ReplicationSource\n"}, "data")
	a.set("CronJob", "15 4 * * *", "spec", "schedule")
	a.applied("ServiceAccount unchanged", "Role unchanged", "RoleBinding unchanged", "ConfigMap configured", "CronJob configured")
	for _, kind := range scheduleKinds() {
		if a.live(kind).GetUID() != versions[kind] {
			t.Errorf("%s was made anew", kind)
		}
	}
	if data, _, _ := unstructured.NestedStringMap(a.live("ConfigMap").Object, "data"); len(data) != 1 {
		t.Errorf("the ConfigMap has %v", data)
	}
	if s, err = a.admin.FindSchedule(t.Context(), a.name, "", "postgres"); err != nil || !s.Suspended || s.Expression != "15 4 * * *" {
		t.Errorf("%+v, %v: suspend is not the manifest's", s, err)
	}
}

// TestApplyTakesNothingOver on a real API server: whose object it is is told by labels.
func TestApplyTakesNothingOver(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	name := a.of("ConfigMap").Name()
	_, err := a.admin.typed.CoreV1().ConfigMaps(a.name).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelSource: "another"}},
		Data:       map[string]string{"mine": "yes"},
	}, metav1.CreateOptions{})
	a.must(err)
	for _, force := range []bool{false, true} {
		_, err = a.apply(a.admin, force)
		a.says(err, fault.Refused, "ConfigMap "+a.name+"/"+name, "not of this schedule")
	}
	_, err = a.admin.DiffSchedule(t.Context(), a.objects)
	a.says(err, fault.Refused, "ConfigMap "+a.name+"/"+name)
	a.none("ServiceAccount", "Role", "RoleBinding", "CronJob")
	if data, _, _ := unstructured.NestedStringMap(a.live("ConfigMap").Object, "data"); data["mine"] != "yes" || len(data) != 1 {
		t.Errorf("the ConfigMap has %v", data)
	}
}

// TestApplyRefusesAConflict on a real API server, names the field and whose it is, and
// takes it when told to.
func TestApplyRefusesAConflict(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	a.applied("ServiceAccount created", "Role created", "RoleBinding created", "ConfigMap created", "CronJob created")
	client, err := a.admin.objects("CronJob", a.name)
	a.must(err)
	_, err = client.Patch(t.Context(), a.of("CronJob").Name(), types.MergePatchType, []byte(`{"spec":{"schedule":"0 0 1 1 *"}}`),
		metav1.PatchOptions{FieldManager: "kubectl-edit"})
	a.must(err)
	a.set("ConfigMap", map[string]any{"manifest.yaml": "other"}, "data")
	before := a.live("ConfigMap").GetResourceVersion()
	_, err = a.apply(a.admin, false)
	a.says(err, fault.Refused, "CronJob "+a.name, ".spec.schedule", "kubectl-edit", "--force-conflicts")
	if a.live("ConfigMap").GetResourceVersion() != before {
		t.Error("the ConfigMap was changed all the same")
	}
	differences, err := a.admin.DiffSchedule(t.Context(), a.objects)
	if err != nil || len(differences) != 2 || !strings.Contains(differences[1].Text, "-  schedule: 0 0 1 1 *\n+  schedule: ") {
		t.Errorf("%v, %v", differences, err)
	}
	changes, err := a.apply(a.admin, true)
	a.must(err)
	if schedule, _, _ := unstructured.NestedString(a.live("CronJob").Object, "spec", "schedule"); schedule == "0 0 1 1 *" {
		t.Errorf("not taken: %v", changes)
	}
	a.applied("ServiceAccount unchanged", "Role unchanged", "RoleBinding unchanged", "ConfigMap unchanged", "CronJob unchanged")
}

// TestApplyTellsOfEveryMissingRight at once, on a real API server.
func TestApplyTellsOfEveryMissingRight(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	reader := a.as("reader", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps", "serviceaccounts"}, Verbs: []string{"get"}})
	_, err := a.apply(reader, false)
	a.says(err, fault.Refused, "create,patch serviceaccounts;", "get,create,patch roles.rbac.authorization.k8s.io", "get,create,patch rolebindings.rbac.authorization.k8s.io",
		"create,patch configmaps", "get,create,patch cronjobs.batch", "without --apply", "--print-role --schedules")
	_, err = reader.DiffSchedule(t.Context(), a.objects)
	a.says(err, fault.Refused, "cronjobs.batch")
	a.none(scheduleKinds()...)
}

// TestApplyGrantsNothingThatTheCallerLacks: a real API server refuses the Role, and it is
// told what that means before anything is made.
func TestApplyGrantsNothingThatTheCallerLacks(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	_, err := a.apply(a.as("maker", needs()...), false)
	a.says(err, fault.Refused, "Role "+a.name, "not currently held", "for an administrator to apply", "nobody may make a Role")
	a.none(scheduleKinds()...)
}

// TestTheNeedsOfSchedulesAreEnough on a real API server, beside the rights of a backup.
func TestTheNeedsOfSchedulesAreEnough(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	runner := a.as("runner", append(needs(), a.granted()...)...)
	if differences, err := runner.DiffSchedule(t.Context(), a.objects); err != nil || len(differences) != 5 {
		t.Errorf("%d differences, %v", len(differences), err)
	}
	if changes, err := a.apply(runner, false); err != nil || len(changes) != 5 {
		t.Errorf("%v, %v", changes, err)
	}
	if found, err := runner.Schedules(t.Context(), a.name, scheduleTime); err != nil || len(found) != 1 || found[0].Object.Name != "postgres" {
		t.Errorf("%v, %v", found, err)
	}
}

// TestDiffOnAnAPIServer: what is missing differs, what was applied does not, and what
// somebody has changed does; nothing is changed by looking.
func TestDiffOnAnAPIServer(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	differences, err := a.admin.DiffSchedule(t.Context(), a.objects)
	a.must(err)
	var kinds []string
	for _, d := range differences {
		if !d.Missing || !strings.Contains(d.Text, "+kind: "+d.Object.GetKind()) || strings.Contains(d.Text, "\n-") && !strings.Contains(d.Text, "\n--- LIVE/") {
			t.Errorf("%s:\n%s", d.Object.GetKind(), d.Text)
		}
		kinds = append(kinds, d.Object.GetKind())
	}
	if diff := cmp.Diff([]string{"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "CronJob"}, kinds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.none(scheduleKinds()...)
	a.applied("ServiceAccount created", "Role created", "RoleBinding created", "ConfigMap created", "CronJob created")
	if differences, err = a.admin.DiffSchedule(t.Context(), a.objects); err != nil || len(differences) > 0 {
		t.Errorf("after applying it: %v, %v", differences, err)
	}
	a.set("CronJob", "15 4 * * *", "spec", "schedule")
	before := a.live("CronJob").GetResourceVersion()
	differences, err = a.admin.DiffSchedule(t.Context(), a.objects)
	a.must(err)
	want := "diff LIVE/batch.v1.CronJob." + a.name + "." + a.of("CronJob").Name()
	if len(differences) != 1 || differences[0].Missing || !strings.HasPrefix(differences[0].Text, want) || !strings.Contains(differences[0].Text, "\n+  schedule: 15 4 * * *\n") {
		t.Errorf("%v", differences)
	}
	for _, own := range []string{"managedFields", "resourceVersion", "uid:", "status:"} {
		if strings.Contains(differences[0].Text, own) {
			t.Errorf("the server's own %s is shown:\n%s", own, differences[0].Text)
		}
	}
	if a.live("CronJob").GetResourceVersion() != before {
		t.Error("the look has changed it")
	}
}

// refusing refuses the requests that it is told to, as a webhook might.
type refusing struct {
	http.RoundTripper
	refuses func(*http.Request) bool
}

func (r refusing) RoundTrip(request *http.Request) (*http.Response, error) {
	if !r.refuses(request) {
		return r.RoundTripper.RoundTrip(request)
	}
	return &http.Response{
		StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"not today","code":403}`)),
	}, nil
}

// TestWhatWasAppliedHalfwayIsTold, and the same command goes on: a real API server, and
// something that refuses only the real request.
func TestWhatWasAppliedHalfwayIsTold(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	config := rest.CopyConfig(a.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return refusing{next, func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/configmaps/") && !r.URL.Query().Has("dryRun")
		}}
	})
	changes, err := a.apply(a.connect(config), false)
	a.says(err, fault.Failed, "not today", "applied: ServiceAccount "+a.name, "not applied: ConfigMap "+a.name, ", CronJob "+a.name, "the same command again")
	if len(changes) != 3 {
		t.Errorf("applied %v", changes)
	}
	a.none("ConfigMap", "CronJob")
	a.applied("ServiceAccount unchanged", "Role unchanged", "RoleBinding unchanged", "ConfigMap created", "CronJob created")
}

// TestAnObjectThatWasReplacedIsNotTakenOver: it is another one by the time it is applied.
func TestAnObjectThatWasReplacedIsNotTakenOver(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	a.applied("ServiceAccount created", "Role created", "RoleBinding created", "ConfigMap created", "CronJob created")
	wanted, err := a.admin.tryApply(t.Context(), a.objects, false)
	a.must(err)
	client, err := a.admin.objects("ConfigMap", a.name)
	a.must(err)
	a.must(client.Delete(t.Context(), a.of("ConfigMap").Name(), metav1.DeleteOptions{}))
	i := slices.IndexFunc(wanted, func(w wantedObject) bool { return w.object.GetKind() == "ConfigMap" })
	_, err = a.admin.applyObject(t.Context(), wanted[i].object, metav1.ApplyOptions{FieldManager: plan.ManagedBy})
	a.says(wanted[i].refused(err), fault.Refused, "ConfigMap "+a.name)
	a.none("ConfigMap")
}

// TestApplyNeedsTheNamespace, and says so once.
func TestApplyNeedsTheNamespace(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	for _, o := range a.objects {
		a.must(unstructured.SetNestedField(o, "nowhere", "metadata", "namespace"))
	}
	_, err := a.apply(a.admin, false)
	a.says(err, fault.Refused, `"nowhere"`, "kubectl create namespace nowhere")
	if n := strings.Count(err.Error(), "not found"); n != 1 {
		t.Errorf("said %d times: %v", n, err)
	}
}

// TestARoleLetsItsHoldersReadTheirNamespace, which is cluster-scoped: a real API server
// authorises it in the namespace of its name. No other can be read, and none listed.
func TestARoleLetsItsHoldersReadTheirNamespace(t *testing.T) {
	t.Parallel()
	a := newApplying(t)
	rules := a.granted()
	for i := range rules {
		if len(rules[i].ResourceNames) > 0 {
			rules[i].ResourceNames = []string{a.name}
		}
	}
	driver := a.as("driver", rules...)
	namespaces := driver.typed.CoreV1().Namespaces()
	if _, err := namespaces.Get(t.Context(), a.name, metav1.GetOptions{}); err != nil {
		t.Errorf("its own: %v", err)
	}
	if _, err := namespaces.Get(t.Context(), "kube-system", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another: %v", err)
	}
	if _, err := namespaces.List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("all of them: %v", err)
	}
	namespace, err := a.admin.typed.CoreV1().Namespaces().Get(t.Context(), a.name, metav1.GetOptions{})
	a.must(err)
	namespace.Annotations = map[string]string{plan.AnnotationPrivilegedMovers: "true"}
	_, err = a.admin.typed.CoreV1().Namespaces().Update(t.Context(), namespace, metav1.UpdateOptions{})
	a.must(err)
	driver.TakeClasses(&plan.ClassFacts{Namespace: a.name})
	facts, err := driver.Observe(t.Context(), plan.Questions{Object: result.ObjectRef{Kind: "ReplicationSource", Namespace: a.name, Name: "postgres"}, History: "h"})
	if err != nil || facts.Namespace.Annotations[plan.AnnotationPrivilegedMovers] != "true" {
		t.Errorf("a scheduled run knows of its namespace %+v: %v", facts.Namespace, err)
	}
	if facts.History != nil { // not one of a source without files
		t.Errorf("of a source without a history it knows %+v", facts.History)
	}
}

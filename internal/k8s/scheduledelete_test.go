package k8s

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// parts puts the objects of a schedule into the dynamic fake.
func (w *world) parts(object result.ObjectRef) {
	w.t.Helper()
	for _, kind := range scheduleKinds() {
		meta := scheduleMeta(object, plan.RoleSchedule)
		o := &unstructured.Unstructured{Object: map[string]any{}}
		o.SetKind(kind)
		o.SetAPIVersion(resources()[kind].GroupVersion().String())
		o.SetName(meta.Name)
		o.SetNamespace(meta.Namespace)
		o.SetLabels(meta.Labels)
		o.SetAnnotations(meta.Annotations)
		o.SetUID(types.UID("uid-of-" + kind))
		if err := w.dynamic.Tracker().Create(resources()[kind], o, meta.Namespace); err != nil {
			w.t.Fatal(err)
		}
	}
	cron := cronOf(object)
	cron.UID = "uid-of-CronJob"
	if _, err := w.typed.BatchV1().CronJobs(cron.Namespace).Create(w.t.Context(), cron, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
	w.allowed("get", "list", "create", "patch", "delete")
}

// allowed is what the caller may do with everything.
func (w *world) allowed(verbs ...string) {
	w.typed.PrependReactor("create", "selfsubjectrulesreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SelfSubjectRulesReview{Status: authorizationv1.SubjectRulesReviewStatus{
			ResourceRules: []authorizationv1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: verbs}},
		}}, nil
	})
}

// suspends are the changes of spec.suspend, in order.
func (w *world) suspends() []bool {
	var changes []bool
	for _, a := range w.typed.Actions() {
		if p, ok := a.(clienttesting.PatchAction); ok && p.GetResource().Resource == "cronjobs" {
			changes = append(changes, strings.Contains(string(p.GetPatch()), `"suspend":true`))
		}
	}
	return changes
}

// begins adds a Job to both fakes.
func (w *world) begins(j *batchv1.Job) {
	jobs := resources()["Job"]
	if err := errors.Join(w.typed.Tracker().Create(jobs, j, j.Namespace), w.dynamic.Tracker().Create(jobs, untype(w.t, j), j.Namespace)); err != nil {
		w.t.Error(err)
	}
}

// removals are what was deleted, in order.
func (w *world) removals() []string {
	var gone []string
	for _, a := range w.dynamic.Actions() {
		if d, ok := a.(clienttesting.DeleteAction); ok {
			gone = append(gone, d.GetResource().Resource+"/"+d.GetName())
		}
	}
	return gone
}

// TestAScheduleIsDeletedInOrder: nothing starts any more, and what runs has its rights
// to the end; other schedules, histories and runs stay.
func TestAScheduleIsDeletedInOrder(t *testing.T) {
	t.Parallel()
	other := result.ObjectRef{Kind: "ReplicationSource", Namespace: testNamespace, Name: "other"}
	cron, name := cronOf(testSource), plan.Name(plan.NameCron, testSource, "")
	active := driverJob(cron, "active", time.Minute, "")
	inOrder := []string{"configmaps/" + name, "rolebindings/" + name, "roles/" + name, "serviceaccounts/" + name}
	for title, c := range map[string]struct {
		jobs  []runtime.Object
		force bool
		want  []string
	}{
		"nothing runs":    {[]runtime.Object{driverJob(cron, "done", time.Hour, batchv1.JobComplete)}, false, append([]string{"cronjobs/" + name}, inOrder...)},
		"a Job runs":      {[]runtime.Object{active}, false, nil},
		"by force":        {[]runtime.Object{active}, true, append([]string{"jobs/active", "cronjobs/" + name}, inOrder...)},
		"another one's":   {[]runtime.Object{driverJob(cronOf(other), "others", time.Minute, "")}, false, append([]string{"cronjobs/" + name}, inOrder...)},
		"a run's own Job": {[]runtime.Object{moverJob(startedAgo(time.Minute))}, false, append([]string{"cronjobs/" + name}, inOrder...)},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.jobs...)
			w.parts(testSource)
			w.parts(other)
			gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", c.force)
			if refused := c.want == nil; refused != (fault.KindOf(err) == fault.Refused && err != nil) || !refused && (err != nil || len(gone) != 5) {
				t.Errorf("%v, %v", gone, err)
			}
			if diff := cmp.Diff(c.want, w.removals()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatIsLeftOfAScheduleIsDeleted, also without the CronJob by which it is listed.
func TestWhatIsLeftOfAScheduleIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts(testSource)
	cron := resources()["CronJob"]
	if err := w.dynamic.Tracker().Delete(cron, testNamespace, plan.Name(plan.NameCron, testSource, "")); err != nil {
		t.Fatal(err)
	}
	if gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "ReplicationSource", "app", false); err != nil || len(gone) != 4 {
		t.Errorf("%v, %v", gone, err)
	}
	if suspended := w.suspends(); len(suspended) > 0 {
		t.Errorf("there is nothing to suspend: %v", suspended)
	}
	if _, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false); fault.KindOf(err) != fault.Refused {
		t.Errorf("again: %v", err)
	}
}

// TestASuspensionWithoutAnAnswerIsTakenBack: it may have been done.
func TestASuspensionWithoutAnAnswerIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want []bool
	}{
		"the connection is lost": {errors.New("http2: response body closed"), []bool{true, false}},
		"refused":                {apierrors.NewForbidden(batchv1.Resource("cronjobs"), "app", nil), []bool{true}},
	} {
		w := newWorld(t)
		w.parts(testSource)
		w.typed.PrependReactor("patch", "cronjobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
			return strings.Contains(string(a.(clienttesting.PatchAction).GetPatch()), "true"), nil, c.err
		})
		if gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false); err == nil || len(gone) > 0 {
			t.Errorf("%s: %v, %v", name, gone, err)
		}
		if diff := cmp.Diff(c.want, w.suspends()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

// TestRightsStayWhileTheCronJobDoes: a Job that does not stop still needs them.
func TestRightsStayWhileTheCronJobDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts(testSource)
	w.dynamic.PrependReactor("delete", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	w.cluster.AllowRemoval(10 * time.Millisecond)
	gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false)
	var report strings.Builder
	fault.Report(&report, err)
	if again := "schedule delete app -n " + testNamespace; len(gone) != 0 || fault.KindOf(err) != fault.Leftover || !strings.Contains(report.String(), again) {
		t.Errorf("%v, %s", gone, report.String())
	}
	role := w.dynamic.Resource(resources()["RoleBinding"]).Namespace(testNamespace)
	if _, err := role.Get(t.Context(), plan.Name(plan.NameCron, testSource, ""), metav1.GetOptions{}); err != nil {
		t.Errorf("the RoleBinding: %v", err)
	}
}

// TestAJobWithoutItsCronJobIsCancelledFirst: it, too, has its rights to the end.
func TestAJobWithoutItsCronJobIsCancelledFirst(t *testing.T) {
	t.Parallel()
	name := plan.Name(plan.NameCron, testSource, "")
	w := newWorld(t, driverJob(cronOf(testSource), "active", time.Minute, ""))
	w.parts(testSource)
	if err := w.dynamic.Tracker().Delete(resources()["CronJob"], testNamespace, name); err != nil {
		t.Fatal(err)
	}
	if gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false); fault.KindOf(err) != fault.Refused || err == nil || len(gone) > 0 {
		t.Errorf("without force: %v, %v", gone, err)
	}
	if _, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", true); err != nil {
		t.Error(err)
	}
	want := []string{"jobs/active", "configmaps/" + name, "rolebindings/" + name, "roles/" + name, "serviceaccounts/" + name}
	if diff := cmp.Diff(want, w.removals()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestATickWhileAScheduleIsDeleted: the Job that it has begun is not cancelled unasked, and
// then the schedule goes on.
func TestATickWhileAScheduleIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts(testSource)
	var once sync.Once
	w.typed.PrependReactor("patch", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		once.Do(func() { w.begins(driverJob(cronOf(testSource), "tick", time.Second, "")) }) // as it is being suspended
		return false, nil, nil
	})
	gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false)
	if fault.KindOf(err) != fault.Refused || err == nil || len(gone)+len(w.removals()) > 0 {
		t.Errorf("%v, %v, deleted %v", gone, err, w.removals())
	}
	if diff := cmp.Diff([]bool{true, false}, w.suspends()); diff != "" {
		t.Errorf("suspended (-want +got):\n%s", diff)
	}
}

// TestALateJobEndsBeforeItsRights: one that was made as the CronJob went.
func TestALateJobEndsBeforeItsRights(t *testing.T) {
	t.Parallel()
	name := plan.Name(plan.NameCron, testSource, "")
	w := newWorld(t)
	w.parts(testSource)
	w.dynamic.PrependReactor("delete", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		w.begins(driverJob(cronOf(testSource), "late", time.Second, ""))
		return false, nil, nil
	})
	if gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false); err != nil || len(gone) != 5 {
		t.Errorf("%v, %v", gone, err)
	}
	removals := w.removals()
	late, binding := slices.Index(removals, "jobs/late"), slices.Index(removals, "rolebindings/"+name)
	if late < 0 || late > binding {
		t.Errorf("%v", removals)
	}
}

// TestWhoMayNotDeleteAllDeletesNothing, and is told of every right at once.
func TestWhoMayNotDeleteAllDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts(testSource)
	w.allowed("get", "list", "patch")
	gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", true)
	if fault.KindOf(err) != fault.Refused || err == nil || len(gone)+len(w.removals())+len(w.suspends()) > 0 {
		t.Fatalf("%v, %v, deleted %v", gone, err, w.removals())
	}
	var report strings.Builder
	fault.Report(&report, err)
	for _, word := range []string{"delete cronjobs.batch", "delete rolebindings.rbac.authorization.k8s.io", "delete serviceaccounts", "--print-role --schedules"} {
		if !strings.Contains(report.String(), word) {
			t.Errorf("%q is not in %s", word, report.String())
		}
	}
}

// TestADeletionThatIsRefusedLeavesNothingOver, as by an admission webhook: the schedule
// goes on.
func TestADeletionThatIsRefusedLeavesNothingOver(t *testing.T) {
	t.Parallel()
	for want, refusal := range map[fault.Kind]error{
		fault.Refused: apierrors.NewForbidden(batchv1.Resource("cronjobs"), "", errors.New("by policy")),
		fault.Failed:  errors.New("no such device"),
	} {
		w := newWorld(t)
		w.parts(testSource)
		w.dynamic.PrependReactor("delete", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, refusal })
		gone, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false)
		if err == nil || fault.KindOf(err) != want || len(gone) > 0 {
			t.Errorf("%v, %v, want %s", gone, err, want)
		}
		if diff := cmp.Diff([]bool{true, false}, w.suspends()); diff != "" {
			t.Errorf("suspended (-want +got):\n%s", diff)
		}
	}
}

// TestADeletionThatIsInterrupted ends as that, and not as one that has left something.
func TestADeletionThatIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.parts(testSource)
	ctx, interrupt := context.WithCancelCause(t.Context())
	w.dynamic.PrependReactor("delete", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		interrupt(fault.New(fault.Interrupt, "interrupted"))
		return true, nil, nil
	})
	_, err := w.cluster.DeleteSchedule(ctx, testNamespace, "", "app", false)
	if err == nil || fault.KindOf(err) != fault.Interrupt {
		t.Errorf("%v", err)
	}
}

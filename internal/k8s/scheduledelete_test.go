package k8s

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
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
		"by force":        {[]runtime.Object{active}, true, append([]string{"cronjobs/" + name, "jobs/active"}, inOrder...)},
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
	if _, err := w.cluster.DeleteSchedule(t.Context(), testNamespace, "", "app", false); fault.KindOf(err) != fault.Refused {
		t.Errorf("again: %v", err)
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
	if len(gone) != 0 || fault.KindOf(err) != fault.Leftover {
		t.Errorf("%v, %v", gone, err)
	}
	role := w.dynamic.Resource(resources()["RoleBinding"]).Namespace(testNamespace)
	if _, err := role.Get(t.Context(), plan.Name(plan.NameCron, testSource, ""), metav1.GetOptions{}); err != nil {
		t.Errorf("the RoleBinding: %v", err)
	}
}

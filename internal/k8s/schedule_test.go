package k8s

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// scheduleTime is now in the tests of schedules: a Sunday, in the summer of Berlin.
var scheduleTime = time.Date(2026, 7, 5, 12, 0, 0, 0, time.UTC)

// scheduleMeta is the metadata of an object of the schedule of an object.
func scheduleMeta(object result.ObjectRef, role string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: plan.Name(plan.NameCron, object, ""), Namespace: object.Namespace,
		Labels: map[string]string{
			plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: role, plan.LabelSource: plan.SourceLabel(object),
		},
		Annotations: map[string]string{plan.AnnotationObject: object.String()},
	}
}

// cronOf is the CronJob of an object's schedule.
func cronOf(object result.ObjectRef) *batchv1.CronJob {
	driver := scheduleMeta(object, plan.RoleDriver)
	driver.Name, driver.Namespace = "", ""
	c := &batchv1.CronJob{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"}, ObjectMeta: scheduleMeta(object, plan.RoleSchedule),
		Spec: batchv1.CronJobSpec{
			Schedule: "30 2 * * *", TimeZone: ptr("Europe/Berlin"),
			JobTemplate: batchv1.JobTemplateSpec{ObjectMeta: driver, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
				ObjectMeta: driver, Spec: corev1.PodSpec{TerminationGracePeriodSeconds: ptr(int64(540)), Containers: []corev1.Container{{Name: "driver"}}},
			}}},
		},
	}
	c.UID = "cron-uid"
	return c
}

// driverJob is a Job of the CronJob, begun so long ago; a condition ends it.
func driverJob(cron *batchv1.CronJob, name string, ago time.Duration, ends batchv1.JobConditionType) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: *cron.Spec.JobTemplate.ObjectMeta.DeepCopy(), Spec: *cron.Spec.JobTemplate.Spec.DeepCopy()}
	j.Name, j.Namespace, j.UID, j.CreationTimestamp = name, cron.Namespace, "job-uid", metav1.NewTime(scheduleTime.Add(-ago))
	j.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron.Name, UID: cron.UID, Controller: ptr(true)}}
	if ends != "" {
		j.Status.Conditions = []batchv1.JobCondition{{Type: ends, Status: corev1.ConditionTrue}}
	}
	return j
}

// historyAgo is a history with one result, begun so long ago.
func historyAgo(t *testing.T, ago time.Duration, outcome result.Outcome) *corev1.ConfigMap {
	t.Helper()
	m := scheduleMeta(testSource, plan.RoleHistory)
	m.Name = plan.Name(plan.NameStatus, testSource, "")
	h := status.History{Object: testSource, Results: []result.Result{{
		APIVersion: result.APIVersion, Kind: result.KindResult, RunID: testRun, Object: testSource, Outcome: outcome, StartTime: scheduleTime.Add(-ago),
	}}}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.ConfigMap{ObjectMeta: m, Data: map[string]string{historyKey: string(text)}}
}

func TestAScheduleShowsItsLastRunAndItsNext(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	next := time.Date(2026, 7, 6, 0, 30, 0, 0, time.UTC) // half past two in Berlin
	for name, c := range map[string]struct {
		objects []runtime.Object
		want    *LastRun
		active  []string
	}{
		"nothing ran yet": {nil, nil, nil},
		"the history": {
			[]runtime.Object{historyAgo(t, time.Hour, result.Incomplete), driverJob(cron, "j", 2*time.Hour, batchv1.JobComplete)},
			&LastRun{scheduleTime.Add(-time.Hour), "Incomplete"}, nil,
		},
		"a Job that was refused writes no history": {
			[]runtime.Object{historyAgo(t, 3*time.Hour, result.Succeeded), driverJob(cron, "j", 2*time.Hour, batchv1.JobFailed)},
			&LastRun{scheduleTime.Add(-2 * time.Hour), JobFailed}, nil,
		},
		"the newest Job counts": {
			[]runtime.Object{driverJob(cron, "a", time.Minute, ""), driverJob(cron, "b", time.Hour, batchv1.JobFailed)},
			&LastRun{scheduleTime.Add(-time.Minute), JobActive},
			[]string{"a"},
		},
		"another CronJob's Job does not": {
			[]runtime.Object{func() *batchv1.Job {
				j := driverJob(cron, "other", time.Minute, "")
				j.OwnerReferences[0].UID = "another"
				return j
			}()}, nil, nil,
		},
		"a run's own Job does not": {[]runtime.Object{moverJob(startedAgo(time.Minute))}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(c.objects, cron)...)
			found, err := w.cluster.Schedules(t.Context(), testNamespace, scheduleTime)
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			s := found[0]
			if diff := cmp.Diff(c.want, s.Last); diff != "" {
				t.Errorf("last run (-want +got):\n%s", diff)
			}
			if s.Object != testSource || s.Expression != "30 2 * * *" || s.TimeZone != "Europe/Berlin" || s.CronJob != cron.Name || !slices.Equal(s.Active, c.active) {
				t.Errorf("%+v", s)
			}
			if s.Next == nil || !s.Next.Equal(next) {
				t.Errorf("next run %v, want %v", s.Next, next)
			}
		})
	}
}

// TestACronJobThatTellsOfItsLastTimeOnly: its Jobs are gone, and there is no history.
func TestACronJobThatTellsOfItsLastTimeOnly(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	cron.Status.LastScheduleTime, cron.Spec.Suspend = ptr(metav1.NewTime(scheduleTime.Add(-time.Hour))), ptr(true)
	found, err := newWorld(t, cron).cluster.Schedules(t.Context(), "", scheduleTime)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if s := found[0]; !s.Suspended || s.Next != nil || s.Last == nil || s.Last.Outcome != "" || !s.Last.Began.Equal(scheduleTime.Add(-time.Hour)) {
		t.Errorf("%+v, last %+v", s, s.Last)
	}
}

func TestAScheduleIsFoundByItsObject(t *testing.T) {
	t.Parallel()
	twin := result.ObjectRef{Kind: "KopiaMaintenance", Namespace: testNamespace, Name: testSource.Name}
	foreign := cronOf(result.ObjectRef{Kind: "ReplicationSource", Namespace: testNamespace, Name: "foreign"})
	foreign.Labels = nil
	w := newWorld(t, cronOf(testSource), cronOf(twin), foreign)
	for _, c := range []struct {
		kind, name string
		want       fault.Kind
	}{
		{"ReplicationSource", "app", ""}, {"KopiaMaintenance", "app", ""}, {"", "app", fault.Usage}, {"", "nobody", fault.Refused}, {"", "foreign", fault.Refused},
	} {
		s, err := w.cluster.FindSchedule(t.Context(), testNamespace, c.kind, c.name)
		switch {
		case c.want != "" && (err == nil || fault.KindOf(err) != c.want):
			t.Errorf("%s/%s: %v, want %s", c.kind, c.name, err, c.want)
		case c.want == "" && (err != nil || s.Object.Kind != c.kind):
			t.Errorf("%s/%s: %+v, %v", c.kind, c.name, s, err)
		}
	}
}

// TestWhatADriverWaitsForIsShown: a pod that never starts keeps every later run from
// starting, and nothing fails.
func TestWhatADriverWaitsForIsShown(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	job := driverJob(cron, "waits", time.Hour, "")
	pod := func(status corev1.PodStatus) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: *cron.Spec.JobTemplate.ObjectMeta.DeepCopy(), Status: status}
		p.Name, p.Namespace = "waits-abcde", testNamespace
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr(true)}}
		return p
	}
	container := func(phase corev1.PodPhase, reason string) corev1.PodStatus {
		return corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{
			{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}},
		}}
	}
	unplaced := corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable},
	}}
	for want, status := range map[string]corev1.PodStatus{
		"Pending: ImagePullBackOff": container(corev1.PodPending, "ImagePullBackOff"),
		"Pending: Unschedulable":    unplaced,
		JobActive:                   container(corev1.PodRunning, ""),
	} {
		w := newWorld(t, cron, job, pod(status))
		if found, err := w.cluster.Schedules(t.Context(), "", scheduleTime); err != nil || found[0].Last.Outcome != want {
			t.Errorf("%+v, %v, want %s", found, err, want)
		}
		w.typed.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", nil)
		})
		if found, err := w.cluster.Schedules(t.Context(), "", scheduleTime); err != nil || found[0].Last.Outcome != JobActive {
			t.Errorf("without the right to pods: %+v, %v", found, err)
		}
	}
}

// TestAPodThatIsLongInComing is shown, as for a quota or a volume that is not there; one
// that may still come is not.
func TestAPodThatIsLongInComing(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	for _, c := range []struct {
		job, pod time.Duration // without a pod, 0
		want     string
	}{
		{time.Minute / 2, 0, JobActive},
		{2 * time.Minute, 0, "Pending: NoPod"},
		{time.Hour, time.Minute / 2, JobActive},
		{time.Hour, 2 * time.Minute, "Pending: ContainerCreating"},
	} {
		job := driverJob(cron, "waits", c.job, "")
		w := newWorld(t, cron, job)
		if c.pod > 0 {
			p := &corev1.Pod{ObjectMeta: *cron.Spec.JobTemplate.ObjectMeta.DeepCopy()}
			p.Name, p.Namespace, p.CreationTimestamp = "waits-abcde", testNamespace, metav1.NewTime(scheduleTime.Add(-c.pod))
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr(true)}}
			p.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
				{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
			}}
			if err := w.typed.Tracker().Add(p); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := w.cluster.Schedules(t.Context(), "", scheduleTime); err != nil || found[0].Last.Outcome != c.want {
			t.Errorf("a Job for %s, its pod for %s: %+v, %v, want %s", c.job, c.pod, found, err, c.want)
		}
	}
}

// TestAHistoryThatCannotBeRead hides the outcome of its own schedule only.
func TestAHistoryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	other := result.ObjectRef{Kind: "ReplicationSource", Namespace: testNamespace, Name: "other"}
	broken := historyOf(other)
	broken.Data = map[string]string{historyKey: "{"}
	found, err := newWorld(t, cronOf(testSource), historyAgo(t, time.Hour, result.Succeeded), cronOf(other), broken).
		cluster.Schedules(t.Context(), testNamespace, scheduleTime)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	if s := found[0]; s.Object != testSource || s.Unreadable != nil || s.Last == nil || s.Last.Outcome != string(result.Succeeded) {
		t.Errorf("the one that can: %+v", s)
	}
	if s := found[1]; s.Unreadable == nil || !strings.Contains(s.Unreadable.Error(), broken.Name) || s.Last != nil {
		t.Errorf("the one that cannot: %+v", s)
	}
}

// TestAScheduleIsWhereItsCronJobIs, whatever its annotation says: kustomize moves the one
// and leaves the other.
func TestAScheduleIsWhereItsCronJobIs(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	cron.Annotations[plan.AnnotationObject] = "ReplicationSource elsewhere/app"
	found, err := newWorld(t, cron).cluster.Schedules(t.Context(), "", scheduleTime)
	if err != nil || len(found) != 1 || found[0].Object != testSource {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestRunNowMakesAJobAsKubectlDoes, and none beside one that runs.
func TestRunNowMakesAJobAsKubectlDoes(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	w := newWorld(t, cron, driverJob(cron, "before", time.Hour, batchv1.JobComplete))
	find := func() Schedule {
		s, err := w.cluster.FindSchedule(t.Context(), testNamespace, "", "app")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	made, err := w.cluster.RunNow(t.Context(), find(), "x7k2q")
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != cron.Name+"-x7k2q" || made.Annotations["cronjob.kubernetes.io/instantiate"] != "manual" || made.Annotations[plan.AnnotationObject] != testSource.String() {
		t.Errorf("%+v", made.ObjectMeta)
	}
	if !metav1.IsControlledBy(made, cron) || made.OwnerReferences[0].BlockOwnerDeletion != nil || made.Labels[plan.LabelRole] != plan.RoleDriver {
		t.Errorf("%+v", made.ObjectMeta)
	}
	if diff := cmp.Diff(cron.Spec.JobTemplate.Spec, made.Spec); diff != "" {
		t.Errorf("(-template +Job):\n%s", diff)
	}
	if _, err := w.cluster.RunNow(t.Context(), find(), "y7k2q"); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), made.Name) {
		t.Errorf("while it runs: %v", err)
	}
	jobs, err := w.typed.BatchV1().Jobs(testNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) != 2 {
		t.Errorf("%d Jobs, %v", len(jobs.Items), err)
	}
}

func TestSuspendingTwiceIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, cronOf(testSource))
	for _, step := range []struct{ suspend, changed bool }{{false, false}, {true, true}, {true, false}, {false, true}} {
		s, err := w.cluster.FindSchedule(t.Context(), testNamespace, "", "app")
		if err != nil {
			t.Fatal(err)
		}
		if changed, err := w.cluster.Suspend(t.Context(), s, step.suspend); err != nil || changed != step.changed {
			t.Errorf("suspend %v: changed %v, %v", step.suspend, changed, err)
		}
		if s, err = w.cluster.FindSchedule(t.Context(), testNamespace, "", "app"); err != nil || s.Suspended != step.suspend {
			t.Errorf("suspend %v: %v, %v", step.suspend, s.Suspended, err)
		}
	}
}

// TestAScheduleIsNoRun: neither runs nor cleanup has to do with the Jobs of a CronJob.
func TestAScheduleIsNoRun(t *testing.T) {
	t.Parallel()
	cron := cronOf(testSource)
	w := newWorld(t, cron, driverJob(cron, "active", time.Hour, ""), driverJob(cron, "done", 48*time.Hour, batchv1.JobFailed))
	w.parts(testSource)
	if runs, err := w.cluster.Runs(t.Context(), ""); err != nil || len(runs) > 0 {
		t.Errorf("runs: %v, %v", runs, err)
	}
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Runs)+len(remains.Leases)+len(remains.Probes)+len(remains.Copies) > 0 {
		t.Errorf("cleanup: %+v, %v", remains, err)
	}
}

// TestWhoMayNotIsToldOfTheRoleForSchedules.
func TestWhoMayNotIsToldOfTheRoleForSchedules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, cronOf(testSource))
	w.typed.PrependReactor("list", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(batchv1.Resource("cronjobs"), "", nil)
	})
	_, err := w.cluster.Schedules(t.Context(), testNamespace, scheduleTime)
	var report strings.Builder
	fault.Report(&report, err)
	if fault.KindOf(err) != fault.Refused || !strings.Contains(report.String(), "--print-role --schedules") {
		t.Errorf("%s", report.String())
	}
}

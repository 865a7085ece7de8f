package suite

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// driver is the CronJob of a space's source, which was printed and applied.
type driver struct {
	*space
	name string
}

// printedSchedule prints the source's schedule as somebody who may read the classes, and has an
// administrator apply it as it is.
func (n *space) printedSchedule(args ...string) driver {
	n.t.Helper()
	return n.printedScheduleOf(n.file, args...)
}

// printedScheduleOf does so with another manifest than the source's.
func (n *space) printedScheduleOf(file string, args ...string) driver {
	n.t.Helper()
	if !n.seesVolumes {
		n.grantCluster(n.printedRoles().facts)
	}
	end := call(n.t, append([]string{"schedule", "-f", file, "--keep-job=0"}, args...)...)
	if end.code != 0 || end.stderr != "" {
		n.t.Fatalf("schedule ended with %d\n%s", end.code, end.stderr)
	}
	(&reader{space: n}).applies(end.stdout)
	list, err := shared.typed.BatchV1().CronJobs(n.name).List(n.t.Context(), metav1.ListOptions{LabelSelector: "volsync-kopia/role=schedule"})
	n.must(err)
	if len(list.Items) != 1 {
		n.t.Fatalf("%d CronJobs", len(list.Items))
	}
	return driver{n, list.Items[0].Name}
}

// tick starts a run now, as kubectl create job --from does.
func (d driver) tick(name string) string {
	d.t.Helper()
	cron, err := shared.typed.BatchV1().CronJobs(d.space.name).Get(d.t.Context(), d.name, metav1.GetOptions{})
	d.must(err)
	job := &batchv1.Job{ObjectMeta: *cron.Spec.JobTemplate.ObjectMeta.DeepCopy(), Spec: cron.Spec.JobTemplate.Spec}
	job.Name = name
	job.Annotations["cronjob.kubernetes.io/instantiate"] = "manual"
	job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
	_, err = shared.typed.BatchV1().Jobs(d.space.name).Create(d.t.Context(), job, metav1.CreateOptions{})
	d.must(err)
	return name
}

// driven is how a Job of the CronJob has ended.
type driven struct {
	pod    string
	failed bool
	code   int
	// log is the pod's, last what its status keeps of its end.
	log, last string
}

// end waits until a Job of the CronJob has ended.
func (d driver) end(job string) driven {
	d.t.Helper()
	var found driven
	d.within(3*time.Minute, "Job "+job+" has ended", func(ctx context.Context) bool {
		j, err := shared.typed.BatchV1().Jobs(d.space.name).Get(ctx, job, metav1.GetOptions{})
		d.must(err)
		for _, c := range j.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				found.failed = c.Type == batchv1.JobFailed
				return true
			}
		}
		return false
	})
	pods, err := shared.typed.CoreV1().Pods(d.space.name).List(d.t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + job})
	d.must(err)
	if len(pods.Items) != 1 || len(pods.Items[0].Status.ContainerStatuses) != 1 || pods.Items[0].Status.ContainerStatuses[0].State.Terminated == nil {
		d.t.Fatalf("the pods of Job %s: %+v", job, pods.Items)
	}
	state := pods.Items[0].Status.ContainerStatuses[0].State.Terminated
	found.pod, found.code, found.last = pods.Items[0].Name, int(state.ExitCode), state.Message
	log, err := shared.typed.CoreV1().Pods(d.space.name).GetLogs(found.pod, &corev1.PodLogOptions{}).Do(d.t.Context()).Raw()
	d.must(err)
	found.log = string(log)
	return found
}

// within waits for longer than a minute, as for the clock of a CronJob.
func (n *space) within(limit time.Duration, what string, done func(context.Context) bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	for !done(ctx) {
		if ctx.Err() != nil {
			n.t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// TestACronJobRunsItsSource by itself, when its minute comes: what is printed and applied
// is all that it takes, in a namespace that admits restricted pods only.
func TestACronJobRunsItsSource(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Trigger: `{schedule: "* * * * *"}`})
	before, began := n.atRest().inventory(), time.Now()
	d := n.printedSchedule("--time-zone", "Asia/Kolkata")
	var job string
	n.within(3*time.Minute, "the CronJob has fired", func(ctx context.Context) bool {
		list, err := shared.typed.BatchV1().Jobs(n.name).List(ctx, metav1.ListOptions{LabelSelector: "volsync-kopia/role=driver"})
		n.must(err)
		if len(list.Items) > 0 {
			job = list.Items[0].Name
		}
		return job != ""
	})
	_, err := shared.typed.BatchV1().CronJobs(n.name).Patch(t.Context(), d.name, types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{})
	n.must(err)
	end := d.end(job)
	if end.failed || end.code != 0 || !strings.Contains(end.log, "Succeeded: snapshot ") {
		t.Fatalf("%+v", end)
	}
	history := n.history()
	if len(history) != 1 {
		t.Fatalf("the history has %d runs", len(history))
	}
	n.listedAndRestored(history[0])
	if s := n.status("app"); s.LastSyncTime == nil || s.NextSyncTime == nil || s.LatestMoverStatus.Result != "Successful" {
		t.Errorf("%+v", s)
	}
	n.leftNothing(before, "configmap/"+d.name, "serviceaccount/"+d.name, "job/"+job, "pod/"+end.pod)
	d.stayedInside(began)
}

// stayedInside fails the test when the CronJob's runs have asked for anything outside their
// namespace, but for what everybody may ask about himself, or have read a Secret.
func (d driver) stayedInside(since time.Time) {
	d.t.Helper()
	d.untilAudited(d.name, since)
	requests, err := commandRequests(auditLog(shared.dir), since)
	d.must(err)
	asked := 0
	for _, r := range requests {
		if r.User.Username != d.user(d.name) {
			continue
		}
		asked++
		about := r.ObjectRef.Resource
		inside := r.ObjectRef.Namespace == d.space.name || about == "" || strings.HasPrefix(about, "selfsubject")
		if !inside || about == "secrets" || r.ResponseStatus.Code == 403 {
			d.t.Errorf("a scheduled run sent %s %s, which was answered with %d", r.Verb, r.RequestURI, r.ResponseStatus.Code)
		}
	}
	if asked < 10 {
		d.t.Errorf("the audit log has %d requests of the run", asked)
	}
}

// TestAScheduledRunThatDoesNotBackUp says why, where its readers look: one that is paused,
// and one with a wrong password.
func TestAScheduledRunThatDoesNotBackUp(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct", Trigger: onNewYear})
	d := n.printedSchedule()
	if first := d.end(d.tick("first")); first.failed || first.code != 0 {
		t.Fatalf("%+v", first)
	}
	n.patch("app", map[string]any{"spec": map[string]any{"paused": true}})
	skipped := d.end(d.tick("paused"))
	if skipped.failed || skipped.code != 0 || !strings.Contains(skipped.log, "Skipped") || !strings.Contains(skipped.log, "paused") {
		t.Errorf("paused: %+v", skipped)
	}
	events, err := shared.typed.CoreV1().Events(n.name).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=BackupSkipped"})
	n.must(err)
	if len(events.Items) != 1 || events.Items[0].InvolvedObject.Name != "app" || events.Items[0].InvolvedObject.UID != n.source("app").GetUID() {
		t.Errorf("the Events of a run that was skipped: %+v", events.Items)
	}
	if runs := n.history(); len(runs) != 1 {
		t.Errorf("the history has %d runs, with the one that was skipped", len(runs))
	}
	n.patch("app", map[string]any{"spec": map[string]any{"paused": nil}})
	n.secretIs("KOPIA_PASSWORD", "canary-wrong-password")
	wrong := d.end(d.tick("wrong"))
	for _, told := range []string{wrong.log, wrong.last} {
		if !strings.Contains(told, "password") || !strings.Contains(told, "kopia-config") {
			t.Errorf("a wrong password is not named: %q", told)
		}
	}
	if !wrong.failed || wrong.code != 7 {
		t.Errorf("a wrong password: %+v", wrong)
	}
}

// TestTwoTicksDoNotOverlap, even if somebody starts the second by hand: the Lease keeps
// it out, and it says so.
func TestTwoTicksDoNotOverlap(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Trigger: onNewYear, Kopia: "    actions: {beforeSnapshot: sleep 10}\n"})
	d := n.printedSchedule()
	d.tick("one")
	n.until("its mover runs", func(ctx context.Context) bool {
		pods, err := shared.typed.CoreV1().Pods(n.name).List(ctx, metav1.ListOptions{LabelSelector: "volsync-kopia/role=mover"})
		n.must(err)
		return slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	})
	second := d.end(d.tick("two"))
	if first := d.end("one"); first.failed || first.code != 0 {
		t.Errorf("the one that was there: %+v", first)
	}
	if !second.failed || second.code != 5 || !strings.Contains(second.last, "run") {
		t.Errorf("the one that came beside it: %+v", second)
	}
	var outcomes []result.Outcome
	for _, r := range n.history() {
		outcomes = append(outcomes, r.Outcome)
	}
	if diff := cmp.Diff([]result.Outcome{result.Succeeded}, outcomes); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
}

// TestADriverThatIsToldToStopTidiesUp, as when its node is drained: its grace outlasts its
// mover's and the removal of the copy.
func TestADriverThatIsToldToStopTidiesUp(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Trigger: onNewYear, Kopia: "    actions: {beforeSnapshot: sleep 120}\n"})
	before := n.atRest().inventory()
	d := n.printedSchedule()
	job := d.tick("drained")
	n.until("its mover runs", func(ctx context.Context) bool {
		pods, err := shared.typed.CoreV1().Pods(n.name).List(ctx, metav1.ListOptions{LabelSelector: "volsync-kopia/role=mover"})
		n.must(err)
		return slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	})
	n.must(shared.typed.CoreV1().Pods(n.name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "job-name=" + job}))
	n.until("the driver is gone", func(ctx context.Context) bool {
		pods, err := shared.typed.CoreV1().Pods(n.name).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + job})
		n.must(err)
		return len(pods.Items) == 0
	})
	n.leftNothing(before, "configmap/"+d.name, "serviceaccount/"+d.name, "job/"+job)
	if last := n.history(); len(last) != 1 || last[0].Outcome != result.Cancelled {
		t.Errorf("%+v", last)
	}
}

// TestAMaintenanceRunsByItsSchedule, as the repository's own record says, and stays inside
// its namespace.
func TestAMaintenanceRunsByItsSchedule(t *testing.T) {
	t.Parallel()
	m := newMaintained(t)
	m.maintain(0, "--take-ownership", "--keep-job=0")
	before, began := m.recorded(), time.Now()
	d := m.printedScheduleOf(m.file)
	if end := d.end(d.tick("upkeep")); end.failed || end.code != 0 || !strings.Contains(end.log, "Succeeded") {
		t.Fatalf("%+v", end)
	}
	more := 0
	for cycle, count := range m.recorded() {
		if count > before[cycle] {
			more++
		}
	}
	if more == 0 {
		t.Errorf("the record has no cycle more: %v, before %v", m.recorded(), before)
	}
	d.stayedInside(began)
}

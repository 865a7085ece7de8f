package k8s

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// pacific is the CronJob of the test's source, west of UTC.
func pacific(change ...func(*batchv1.CronJob)) *batchv1.CronJob {
	c := cronOf(testSource)
	c.Spec.Schedule, c.Spec.TimeZone = "0 2 * * *", ptr("America/Los_Angeles")
	c.CreationTimestamp = metav1.NewTime(scheduleTime.Add(-48 * time.Hour))
	for _, change := range change {
		change(c)
	}
	return c
}

// makeScheduledSource makes the test's source, with kopia and a schedule.
func (w *world) makeScheduledSource(schedule string) {
	w.t.Helper()
	source := objectOfKind(plan.GroupVolSync+"/v1alpha1", "ReplicationSource", testNamespace, testSource.Name, nil)
	source.Object["spec"] = map[string]any{"kopia": map[string]any{"repository": "kopia-config"}, "trigger": map[string]any{"schedule": schedule}}
	source.SetCreationTimestamp(metav1.NewTime(scheduleTime.Add(-72 * time.Hour)))
	if _, err := w.dynamic.Resource(resources()["ReplicationSource"]).Namespace(testNamespace).Create(w.t.Context(), source, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// TestAScheduleSaysWhenItsObjectRuns: its CronJob counts, in its time zone, also for an
// object that is only a file and has never run.
func TestAScheduleSaysWhenItsObjectRuns(t *testing.T) {
	t.Parallel()
	const zoned = "CRON_TZ=America/Los_Angeles 0 2 * * *"
	suspended := func(c *batchv1.CronJob) { c.Spec.Suspend = ptr(true) }
	zoneless := func(c *batchv1.CronJob) { c.Spec.TimeZone = nil }
	nameless := func(c *batchv1.CronJob) { c.Annotations = nil }
	for name, c := range map[string]struct {
		objects []runtime.Object
		live    bool
		want    *Standing
	}{
		"only a file, never run":  {[]runtime.Object{pacific()}, false, &Standing{Schedule: zoned, Created: scheduleTime.Add(-48 * time.Hour)}},
		"only a file, with a run": {[]runtime.Object{pacific(), historyAgo(t, time.Hour, result.Succeeded)}, false, &Standing{Schedule: zoned, Created: scheduleTime.Add(-48 * time.Hour)}},
		"it is suspended":         {[]runtime.Object{pacific(suspended)}, false, &Standing{Schedule: zoned, Paused: true, Created: scheduleTime.Add(-48 * time.Hour)}},
		"in the cluster":          {[]runtime.Object{pacific()}, true, &Standing{Schedule: zoned, InCluster: true, Created: scheduleTime.Add(-72 * time.Hour)}},
		"in the controller's own": {[]runtime.Object{pacific(zoneless)}, true, &Standing{Schedule: "0 3 * * *", InCluster: true, Created: scheduleTime.Add(-72 * time.Hour)}},
		"without a CronJob":       {nil, true, &Standing{Schedule: "0 3 * * *", InCluster: true, Created: scheduleTime.Add(-72 * time.Hour)}},
		"of nothing that it says": {[]runtime.Object{pacific(nameless)}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.objects...)
			if c.live {
				w.makeScheduledSource("0 3 * * *")
			}
			found, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
			if err != nil {
				t.Fatal(err)
			}
			var got *Standing
			if len(found) == 1 {
				s := found[0]
				got = &Standing{Schedule: s.Schedule, Paused: s.Paused, InCluster: s.InCluster, Created: s.Created.UTC()}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || len(found) > 1 {
				t.Errorf("%d objects (-want +got):\n%s", len(found), diff)
			}
		})
	}
}

// Whoever may not list CronJobs sees what the objects say, and is told so.
func TestStandingsWithoutTheRightToCronJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pacific())
	w.makeScheduledSource("0 3 * * *")
	w.typed.PrependReactor("list", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(batchv1.Resource("cronjobs"), "", errors.New("no"))
	})
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	found, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, say)
	if len(said) != 1 || !strings.Contains(said[0], "cronjobs.batch is forbidden") {
		t.Errorf("said %q", said)
	}
	if err != nil || len(found) != 1 || found[0].Schedule != "0 3 * * *" {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestARunWithoutASuccessIsNoSynchronisation, so that it is overdue by its CronJob.
func TestARunWithoutASuccessIsNoSynchronisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pacific())
	r := result.Result{RunID: testRun, Object: testSource, Operation: result.OperationBackup, Outcome: result.Failed, EndTime: scheduleTime}
	if _, err := (writer{cluster: w.cluster, object: testSource}).write(t.Context(), historyOf(testSource), status.Run{Result: r}); err != nil {
		t.Fatal(err)
	}
	found, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
	if err != nil || len(found) != 1 || len(found[0].Results) != 1 || found[0].Status.LastSyncTime != nil || found[0].Created.IsZero() {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestTheCronJobSaysWhenTheNextRunIs, and not the status, in which a run that somebody has
// started by hand counts in UTC.
func TestTheCronJobSaysWhenTheNextRunIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		objects []runtime.Object
		kept    bool
	}{"with a CronJob": {[]runtime.Object{pacific()}, false}, "without": {nil, true}} {
		w := newWorld(t, c.objects...)
		next := scheduleTime.Add(5 * time.Hour)
		ended := status.Run{
			Result: result.Result{RunID: testRun, Object: testSource, Operation: result.OperationBackup, Outcome: result.Succeeded, EndTime: scheduleTime},
			Next:   &next,
		}
		if _, err := (writer{cluster: w.cluster, object: testSource}).write(t.Context(), historyOf(testSource), ended); err != nil {
			t.Fatal(err)
		}
		found, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
		if err != nil || len(found) != 1 || found[0].Status.LastSyncTime == nil || (found[0].Status.NextSyncTime != nil) != c.kept {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

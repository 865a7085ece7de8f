package cmd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// schedulesServer is an API server with two schedules: of one the last Job has failed,
// and the other is suspended and has a Job that runs.
func schedulesServer(t *testing.T) string {
	t.Helper()
	yes, zone := true, "Europe/Berlin"
	cron := func(name, schedule string, suspended bool) batchv1.CronJob {
		return batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{
				Name: "vk-cron-" + name, Namespace: "prod", UID: "uid", CreationTimestamp: metav1.NewTime(time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)),
				Labels:      map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: plan.RoleSchedule},
				Annotations: map[string]string{plan.AnnotationObject: "ReplicationSource prod/" + name},
			},
			Spec: batchv1.CronJobSpec{Schedule: schedule, TimeZone: &zone, Suspend: &suspended},
		}
	}
	job := func(of batchv1.CronJob, name string, at time.Time) batchv1.Job {
		return batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "prod", CreationTimestamp: metav1.NewTime(at),
			Labels:          map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: plan.RoleDriver},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: of.Name, UID: of.UID, Controller: &yes}},
		}}
	}
	media, postgres := cron("media", "@hourly", true), cron("postgres", "30 2 * * *", false)
	postgres.UID = "another"
	failed := job(postgres, "vk-cron-postgres-29", time.Date(2026, 7, 5, 0, 30, 0, 0, time.UTC))
	failed.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}
	active := job(media, "vk-cron-media-x7k2q", time.Date(2026, 7, 5, 11, 59, 0, 0, time.UTC))
	// Only what is asked for by all of its labels is found, as on an API server.
	lists := map[string]func(labels.Selector) any{
		"cronjobs": func(chosen labels.Selector) any {
			return &batchv1.CronJobList{Items: selected([]batchv1.CronJob{postgres, media}, chosen, func(c *batchv1.CronJob) metav1.Object { return c })}
		},
		"jobs": func(chosen labels.Selector) any {
			return &batchv1.JobList{Items: selected([]batchv1.Job{failed, active}, chosen, func(j *batchv1.Job) metav1.Object { return j })}
		},
		"configmaps": func(labels.Selector) any { return &corev1.ConfigMapList{} },
		"pods":       func(labels.Selector) any { return &corev1.PodList{} },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, ok := lists[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
		chosen, err := labels.Parse(r.URL.Query().Get("labelSelector"))
		if !ok || err != nil || chosen.Empty() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list(chosen))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// selected are those of the objects that a selector chooses.
func selected[T any](objects []T, chosen labels.Selector, meta func(*T) metav1.Object) []T {
	return slices.DeleteFunc(slices.Clone(objects), func(o T) bool { return !chosen.Matches(labels.Set(meta(&o).GetLabels())) })
}

// onSchedules runs the command on schedulesServer at noon.
func onSchedules(t *testing.T, args ...string) (code fault.ExitCode, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	f.Now = func() time.Time { return time.Date(2026, 7, 5, 12, 0, 0, 0, time.UTC) }
	code = Main(t.Context(), f, append(args, "--server", schedulesServer(t)))
	return code, out.String(), errOut.String()
}

func TestSchedulesAreListed(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-n prod": `NAMESPACE   OBJECT                       SCHEDULE     TIMEZONE        SUSPENDED   LAST RUN               LAST OUTCOME   NEXT RUN
prod        ReplicationSource/media      @hourly      Europe/Berlin   true        2026-07-05T11:59:00Z   Active         -
prod        ReplicationSource/postgres   30 2 * * *   Europe/Berlin   false       2026-07-05T00:30:00Z   JobFailed      2026-07-06T00:30:00Z
`,
		"-A -o name": "replicationsource.volsync.backube/media\nreplicationsource.volsync.backube/postgres\n",
		"-A -o custom-columns=NAME:.object.name,JOB:.cronJob,ACTIVE:.active[*]": `NAME       JOB                ACTIVE
media      vk-cron-media      vk-cron-media-x7k2q
postgres   vk-cron-postgres   <none>
`,
		"-n prod -o jsonpath={.items[1].nextRun}{.items[0].suspended}": "2026-07-06T00:30:00Ztrue",
	} {
		code, stdout, stderr := onSchedules(t, append([]string{"schedule", "list"}, strings.Fields(args)...)...)
		if diff := cmp.Diff(want, stdout); code != 0 || diff != "" {
			t.Errorf("%s: exit %d\n%s%s", args, code, diff, stderr)
		}
	}
}

// TestASourceWithoutAnObjectIsOverdue by its CronJob, unless that is suspended.
func TestASourceWithoutAnObjectIsOverdue(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := onSchedules(t, "status", "-n", "prod", "--exit-code")
	want := `NAMESPACE   SOURCE     OUTCOME       PROVED SNAPSHOT   AGE   FILES   SIZE   NEXT
prod        media      paused        -                 -     -       -      -
prod        postgres   OVERDUE 11h   -                 -     -       -      in 12h
`
	if diff := cmp.Diff(want, stdout); code != 9 || diff != "" {
		t.Errorf("exit %d\n%s%s", code, diff, stderr)
	}
}

// TestAVerbNamesWhatIsMeant: an object of another name or kind has no schedule.
func TestAVerbNamesWhatIsMeant(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		code  fault.ExitCode
		words string
	}{
		"run-now media":                      {5, "vk-cron-media-x7k2q"},
		"run-now replicationsources/media":   {5, "kubectl logs -f job/vk-cron-media-x7k2q -n prod"},
		"suspend nobody":                     {5, "schedule list"},
		"suspend kopiamaintenance/media":     {5, `"media" has no schedule`},
		"resume pod/media":                   {2, "replicationsource or kopiamaintenance"},
		"delete a/b/c":                       {2, "KIND/NAME"},
		"delete":                             {2, "the name of one source"},
		"delete media postgres":              {2, "got 2"},
		"delete media --removed-timeout=-1s": {2, "removed-timeout"},
		"list prod":                          {2, "takes no arguments"},
		"suspend ReplicationSource.volsync.backube/media": {0, ""},
		"resume postgres": {0, ""},
	} {
		code, stdout, stderr := onSchedules(t, append([]string{"schedule"}, append(strings.Fields(args), "-n", "prod")...)...)
		if code != want.code || !strings.Contains(stderr, want.words) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", args, code, want.code, want.words, stdout, stderr)
		}
		if already := strings.HasSuffix(stdout, "is suspended already\n") || strings.HasSuffix(stdout, "is not suspended\n"); already != (code == 0) {
			t.Errorf("%s says %q", args, stdout)
		}
	}
}

func TestNamesOfSchedulesAreCompleted(t *testing.T) {
	t.Parallel()
	offered, _ := completed(t, schedulesServer(t), "schedule", "suspend", "p")
	if diff := cmp.Diff([]string{"postgres\t30 2 * * *"}, offered); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

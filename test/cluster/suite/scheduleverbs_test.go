package suite

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// onNewYear is a schedule that is not due while a test runs.
const onNewYear = `{schedule: "0 3 1 1 *"}`

// shownSchedule is a schedule as list prints it.
type shownSchedule struct {
	Schedule, LastOutcome string
	Suspended             bool
	Active                []string
	NextRun               *metav1.Time
}

// schedule is what list says of the only schedule of the namespace.
func (n *space) schedule() shownSchedule {
	n.t.Helper()
	var list struct{ Items []shownSchedule }
	call(n.t, "schedule", "list", "-n", n.name, "-o", "json").decode(n.t, 0, &list)
	if len(list.Items) != 1 {
		n.t.Fatalf("list has %+v", list.Items)
	}
	return list.Items[0]
}

// verb runs a verb of schedule, and fails the test unless it ends with the code. It
// returns what it says on standard output, a word for each object.
func (n *space) verb(code int, args ...string) []string {
	n.t.Helper()
	end := call(n.t, append([]string{"schedule"}, args...)...)
	if end.code != code {
		n.t.Fatalf("schedule %v ended with %d, want %d\n%s%s", args, end.code, code, end.stdout, end.stderr)
	}
	var words []string
	for line := range strings.Lines(end.stdout) {
		fields := strings.Fields(line)
		words = append(words, fields[len(fields)-1])
	}
	return words
}

// scheduled applies the schedule of the namespace's manifest, whose run keeps no Job.
func (n *space) scheduled(args ...string) []string {
	n.t.Helper()
	return n.verb(0, append([]string{"--apply", "-f", n.file, "--keep-job=0"}, args...)...)
}

// TestAScheduleIsLookedAfterByItsVerbs, from its first application to its end, by
// somebody who has the printed Role. It leaves what a backup does.
func TestAScheduleIsLookedAfterByItsVerbs(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct", Trigger: onNewYear})
	n.employ("--schedules")
	before := n.atRest().objects()
	all := func(word string) []string { return slices.Repeat([]string{word}, 5) }
	if diff := cmp.Diff(all("created"), n.scheduled()); diff != "" {
		t.Errorf("first applied (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(all("unchanged"), n.scheduled()); diff != "" {
		t.Errorf("applied again (-want +got):\n%s", diff)
	}
	n.verb(0, "diff", "-f", n.file, "--keep-job=0")
	n.verb(0, "diff", "app", "-n", n.name, "--keep-job=0")
	n.edit("0 3 1 1 *", "0 4 1 1 *")
	n.patch("app", map[string]any{"spec": map[string]any{"trigger": map[string]any{"schedule": "0 4 1 1 *"}}})
	if end := call(t, "schedule", "diff", "-f", n.file, "--keep-job=0"); end.code != 9 ||
		!strings.Contains(end.stdout, "\n-  schedule: 0 3 1 1 *\n+  schedule: 0 4 1 1 *\n") {
		t.Errorf("diff ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}

	n.verb(0, "suspend", "app", "-n", n.name)
	n.verb(0, "suspend", "replicationsource/app", "-n", n.name)
	if diff := cmp.Diff([]string{"unchanged", "unchanged", "unchanged", "configured", "configured"}, n.scheduled()); diff != "" {
		t.Errorf("applied with another time (-want +got):\n%s", diff)
	}
	if s := n.schedule(); !s.Suspended || s.Schedule != "0 4 1 1 *" || s.NextRun != nil || s.LastOutcome != "" {
		t.Errorf("suspended: %+v", s)
	}
	n.verb(0, "resume", "app", "-n", n.name)
	if s := n.schedule(); s.Suspended || s.NextRun == nil {
		t.Errorf("resumed: %+v", s)
	}

	n.ranNow()
	n.verb(0, "delete", "app", "-n", n.name)
	n.verb(5, "delete", "app", "-n", n.name)
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
}

// ranNow starts a run of the schedule and waits for its end: what it has saved is proved
// by bare kopia, and neither runs nor cleanup takes its Job for a run.
func (n *space) ranNow() {
	n.t.Helper()
	end := call(n.t, "schedule", "run-now", "app", "-n", n.name)
	job, found := strings.CutSuffix(strings.TrimSpace(end.stdout), " created")
	if job = strings.TrimPrefix(job, "job.batch/"); !found || end.code != 0 || !strings.Contains(end.stderr, job) {
		n.t.Fatalf("run-now ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	n.until("the schedule's run has ended", func(context.Context) bool { return n.schedule().LastOutcome == string(result.Succeeded) })
	n.until("its Job has ended", func(ctx context.Context) bool {
		j, err := shared.typed.BatchV1().Jobs(n.name).Get(ctx, job, metav1.GetOptions{})
		n.must(err)
		return j.Status.Succeeded == 1
	})
	if listed := n.client().Snapshots(n.t); len(listed) != 1 || listed[0].Incomplete != "" {
		n.t.Errorf("bare kopia lists %+v", listed)
	}
	if runs := n.runs(); len(runs) > 0 {
		n.t.Errorf("runs has %+v", runs)
	}
	if end := call(n.t, "cleanup", "-n", n.name); end.code != 0 || !strings.Contains(end.stdout, "Nothing is left") {
		n.t.Errorf("cleanup ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
}

// TestAForcedDeletionCancelsWhatRuns, and its command still has its rights to clean up;
// without force it is refused, and so is a second run.
func TestAForcedDeletionCancelsWhatRuns(t *testing.T) {
	t.Parallel()
	n := newSource(t, gated(shape{Trigger: onNewYear}))
	n.employ("--schedules")
	before := n.atRest().objects()
	n.scheduled("--actions-on-live-volume", "--cancel-grace=20s")
	n.verb(0, "run-now", "app", "-n", n.name)
	id := n.untilRuns("Running")[0].ID
	n.untilWaiting(id)
	n.verb(5, "run-now", "app", "-n", n.name)
	n.verb(5, "delete", "app", "-n", n.name)
	if s := n.schedule(); len(s.Active) != 1 || s.LastOutcome != "Active" {
		t.Errorf("while it runs: %+v", s)
	}
	if diff := cmp.Diff(slices.Repeat([]string{"deleted"}, 5), n.verb(0, "delete", "app", "-n", n.name, "--force")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if runs := n.runs(); len(runs) > 0 {
		t.Errorf("runs has %+v", runs)
	}
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	if s := n.status("app"); s.LatestMoverStatus.Result != "Failed" {
		t.Errorf("the status is %+v", s)
	}
}

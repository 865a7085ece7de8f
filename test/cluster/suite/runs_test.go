package suite

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestADetachedRunIsCollectedByStatus: the command returns while the mover runs;
// what it leaves is there until status is asked.
func TestADetachedRunIsCollectedByStatus(t *testing.T) {
	t.Parallel()
	for _, keep := range []string{"0", "1h"} {
		t.Run("keep-job="+keep, func(t *testing.T) {
			t.Parallel()
			n := newSource(t, shape{CopyMethod: "Snapshot"})
			before := n.atRest().objects()
			var event result.Event
			call(t, "backup", "-f", n.file, "-o", "json", "--detach", "--keep-job="+keep).decode(t, 0, &event)
			run := n.untilRuns("Finished")[0]
			if event.Kind != "Event" || event.RunID != run.ID {
				t.Errorf("the command said %+v of run %s", event, run.ID)
			}
			if diff := cmp.Diff([]string{"conditions", "lastSyncStartTime"}, n.fields("app")); diff != "" {
				t.Errorf("the status before anybody collected the run (-want +got):\n%s", diff)
			}
			if s := n.status("app"); s.Conditions[0].Status != metav1.ConditionTrue || s.Conditions[0].Reason != "SyncInProgress" {
				t.Errorf("the status before anybody collected the run: %+v", s)
			}
			n.collectedByStatus(run.ID)
			history, _ := n.kept("app")
			want := []string{"changed replicationsources.volsync.backube/app", "made configmaps/" + history}
			if keep != "0" {
				want = append(want, "made jobs.batch/"+n.job(result.Result{RunID: run.ID}).Name)
			}
			n.differs(before, want...)
			if s := n.status("app"); s.LastSyncTime == nil || s.LatestMoverStatus.Result != "Successful" {
				t.Errorf("the status is %+v", s)
			}
		})
	}
}

// collectedByStatus fails the test unless status knows the run's proved snapshot.
func (n *space) collectedByStatus(id string) {
	n.t.Helper()
	var list struct {
		Items []struct {
			Outcome  result.Outcome
			Snapshot *result.Snapshot
		}
	}
	call(n.t, "status", "app", "-n", n.name, "-o", "json").decode(n.t, 0, &list)
	if len(list.Items) != 1 || list.Items[0].Outcome != result.Succeeded || list.Items[0].Snapshot == nil {
		n.t.Fatalf("status says %+v", list.Items)
	}
	s := list.Items[0].Snapshot
	if s.Tags[result.RunTag] != id {
		n.t.Errorf("status names a snapshot of another run: %+v", s)
	}
	kopiatest.Compare(n.t, n.data, n.restored(s.ID))
}

// TestARunIsSeenFromAnotherProcess: list, show, logs and attach, while its own
// command lives, and what they say when it has ended.
func TestARunIsSeenFromAnotherProcess(t *testing.T) {
	t.Parallel()
	n := newSpace(t, gated(shape{}))
	own := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--actions-on-live-volume")
	id := n.untilRuns("Running")[0].ID
	short := id[strings.LastIndex(id, "-")+1:]
	logs := start(t, n.kubeconfig, "runs", "logs", short, "-n", n.name, "--follow")
	live := start(t, n.kubeconfig, "runs", "attach", short, "-n", n.name, "--progress=tty")
	attached := start(t, n.kubeconfig, "runs", "attach", short, "-n", n.name, "-o", "json", "--progress=plain")
	n.untilWaiting(id)
	var shown listed
	call(t, "runs", "show", short, "-n", n.name).decode(t, 0, &shown)
	if shown.ID != id || shown.State != "Running" || shown.Result != nil || shown.Object.Name != "app" {
		t.Errorf("show says of the running one: %+v", shown)
	}
	n.open()
	r := own.wait().result(t, 0)
	if other := attached.wait().result(t, 0); other.RunID != id || r.RunID != id || other.Outcome != result.Succeeded || other.Snapshot.ID != r.Snapshot.ID {
		t.Errorf("attach ended with %+v, the run's own command with %+v", other, r)
	}
	if !strings.Contains(attached.stderr.String(), atGate) {
		t.Errorf("attach did not show the log from its beginning:\n%s", attached.stderr)
	}
	if end := live.wait(); end.code != 0 || !strings.Contains(end.stderr, "ok  proved from the repository") || strings.Contains(end.stderr, "!!") {
		t.Errorf("the live view of attach ended with %d\n%s", end.code, end.stderr)
	}
	if end := logs.wait(); end.code != 0 || !strings.Contains(end.stdout, atGate) || !strings.Contains(end.stdout, r.Snapshot.ID) {
		t.Errorf("logs --follow ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	call(t, "runs", "show", id, "-n", n.name).decode(t, 0, &shown)
	if shown.State != "Collected" || shown.Result == nil || shown.Result.Snapshot.ID != r.Snapshot.ID {
		t.Errorf("show says of the ended one: %+v", shown)
	}
	if end := call(t, "runs", "list", "-n", n.name); end.code != 0 || !strings.Contains(end.stdout, id) || !strings.Contains(end.stdout, r.Snapshot.ID) {
		t.Errorf("list ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	if end := call(t, "runs", "show", "nobody", "-n", n.name); end.code != 5 || !strings.Contains(end.stderr, "nobody") {
		t.Errorf("show of no run ended with %d\n%s", end.code, end.stderr)
	}
}

// untilWaiting waits until a gated mover is at its gate.
func (n *space) untilWaiting(id string) {
	n.t.Helper()
	n.until("the mover waits at its gate", func(context.Context) bool {
		end := call(n.t, "runs", "logs", id, "-n", n.name)
		return end.code == 0 && strings.Contains(end.stdout, atGate)
	})
}

// TestAttachCollectsARunWhoseCommandIsDead: what the command would have written
// and removed is.
func TestAttachCollectsARunWhoseCommandIsDead(t *testing.T) {
	t.Parallel()
	n := newSource(t, gated(shape{}))
	before := n.atRest().objects()
	dead := start(t, n.kubeconfig, "backup", "-f", n.file, "--keep-job=0", "--actions-on-live-volume")
	id := n.untilRuns("Running")[0].ID
	n.must(dead.cmd.Process.Signal(syscall.SIGKILL))
	dead.wait()
	attached := start(t, n.kubeconfig, "runs", "attach", id, "-n", n.name, "-o", "json")
	n.open()
	if r := attached.wait().result(t, 0); r.RunID != id || r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	n.collectedByStatus(id)
}

// TestARunIsCancelledFromAnotherProcess: the run's own command says that it was
// somebody else, and both clean up.
func TestARunIsCancelledFromAnotherProcess(t *testing.T) {
	t.Parallel()
	n := newSpace(t, gated(shape{}))
	before := n.atRest().inventory()
	own := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--actions-on-live-volume")
	id := n.untilRuns("Running")[0].ID
	n.untilWaiting(id)
	r := call(t, "runs", "cancel", id, "-n", n.name, "-o", "json").result(t, 0)
	if r.RunID != id || r.Outcome != result.Cancelled {
		t.Errorf("cancel says %+v", r)
	}
	end := own.wait()
	if r := end.result(t, 1); r.Outcome != result.Failed || r.Reason != "StoppedByOthers" || r.Snapshot != nil {
		t.Errorf("the run's own command says %+v", r)
	}
	if !strings.Contains(end.stderr, "stopped by") {
		t.Errorf("the run's own command does not say who stopped it:\n%s", end.stderr)
	}
	n.leftNothing(before)
	if len(n.runs()) > 0 {
		t.Errorf("runs list still shows %+v", n.runs())
	}
}

// TestAMoverThatNeverStartedIsCancelled: its image is not there. Nothing can have
// been written, and both commands say so.
func TestAMoverThatNeverStartedIsCancelled(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Direct"})
	before := n.atRest().inventory()
	own := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--mover-image=volsync-kopia.test/none:dev")
	id := n.untilRuns("Running")[0].ID
	following := start(t, n.kubeconfig, "runs", "attach", id, "-n", n.name, "-o", "json")
	r := call(t, "runs", "cancel", id, "-n", n.name, "-o", "json").result(t, 0)
	if r.Outcome != result.Cancelled || !strings.Contains(r.Message, "before it started") {
		t.Errorf("cancel says %+v", r)
	}
	if r := own.wait().result(t, 1); r.Outcome != result.Failed || r.Reason != "StoppedByOthers" || !strings.Contains(r.Message, "before it started") {
		t.Errorf("the run's own command says %+v", r)
	}
	if end := following.wait(); strings.Contains(end.stdout, "Unknown") {
		t.Errorf("attach says\n%s%s", end.stdout, end.stderr)
	}
	n.leftNothing(before)
}

// TestTwoMonitorsCollectADeadRunOnce: one event, one entry in the history.
func TestTwoMonitorsCollectADeadRunOnce(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	if end := call(t, "backup", "-f", n.file, "--progress=tty", "--detach"); end.code != 0 || !strings.Contains(end.stderr, "ok  mover ") || strings.Contains(end.stderr, "!!") {
		t.Errorf("the live view of a detached run ended with %d\n%s", end.code, end.stderr)
	}
	id := n.untilRuns("Finished")[0].ID
	both := []*running{start(t, n.kubeconfig, "status", "-n", n.name), start(t, n.kubeconfig, "status", "-n", n.name)}
	for _, one := range both {
		if end := one.wait(); end.code != 0 {
			t.Errorf("status ended with %d\n%s%s", end.code, end.stdout, end.stderr)
		}
	}
	n.untilRuns("Collected")
	n.collectedByStatus(id)
	n.oneEvent(result.Result{RunID: id, Outcome: result.Succeeded})
	var shown result.Result
	call(t, "runs", "attach", id, "-n", n.name, "-o", "json", "--progress=plain").decode(t, 0, &shown)
	if shown.RunID != id || shown.Outcome != result.Succeeded {
		t.Errorf("attach to the collected run says %+v", shown)
	}
}

// TestARunThatOthersStoppedIsCollectedAsThat, and not as one that was cancelled.
func TestARunThatOthersStoppedIsCollectedAsThat(t *testing.T) {
	t.Parallel()
	n := newSource(t, gated(shape{}))
	call(t, "backup", "-f", n.file, "-o", "json", "--detach", "--actions-on-live-volume")
	id := n.untilRuns("Running")[0].ID
	n.untilWaiting(id)
	n.must(shared.typed.CoreV1().Pods(n.name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: moverLabel}))
	n.until("the mover is gone", func(context.Context) bool { return n.runs()[0].State != "Running" })
	call(t, "status", "-n", n.name)
	if end := call(t, "status", "app", "-n", n.name, "-o", "json"); strings.Contains(end.stdout, "Cancelled") || !strings.Contains(end.stdout, `"outcome"`) {
		t.Errorf("status says\n%s%s", end.stdout, end.stderr)
	}
}

// TestAMoverThatCannotStartIsEndedOnceItsCommandIsDead.
func TestAMoverThatCannotStartIsEndedOnceItsCommandIsDead(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	before := n.atRest().objects()
	dead := start(t, n.kubeconfig, "backup", "-f", n.file, "--mover-image=volsync-kopia.test/none:dev", "--scheduled-timeout=15s", "--started-timeout=15s")
	n.untilRuns("Running")
	n.must(dead.cmd.Process.Signal(syscall.SIGKILL))
	dead.wait()
	n.until("its start is overdue", func(context.Context) bool {
		end := call(t, "cleanup", "-n", n.name, "--yes")
		return end.code == 0 && strings.Contains(end.stdout, "removed")
	})
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	if s := n.status("app"); s.LatestMoverStatus.Result != "Failed" || !strings.Contains(s.LatestMoverStatus.Logs, "had not started within 30s") {
		t.Errorf("the status is %+v", s)
	}
}

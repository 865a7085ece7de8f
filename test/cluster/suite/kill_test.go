package suite

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// killPoint is one moment of a run: before or after a mutating request, as the
// second "PUT leases".
type killPoint struct {
	name  string
	time  int
	after bool
}

func (k killPoint) String() string {
	moment := "before"
	if k.after {
		moment = "after"
	}
	return fmt.Sprintf("%s %s %d", moment, k.name, k.time)
}

// is reports whether the last of the requests is the point's.
func (k killPoint) is(seen []string) bool {
	times := 0
	for _, name := range seen {
		if name == k.name {
			times++
		}
	}
	return times == k.time && seen[len(seen)-1] == k.name
}

// killPoints are those of a clean run by snapshot, of a source that is in the cluster
// and has a kept cache, by the API server's audit log. It must have what the proxy saw,
// which is what the runs are killed by.
func killPoints(t *testing.T) []killPoint {
	t.Helper()
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: keptCache})
	n.backedUpEarlier()
	p := newProxy(t)
	began := time.Now()
	n.listedAndRestored(callAs(t, p.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0").result(t, 0))
	requests := n.changes(began)
	if diff := cmp.Diff(sorted(p.seen()), sorted(requests)); diff != "" {
		t.Fatalf("the audit log has other requests than the proxy (-proxy +log):\n%s", diff)
	}
	var points []killPoint
	times := map[string]int{}
	for _, name := range requests {
		times[name]++
		if name == "PUT leases" && times[name] > 2 {
			continue // a renewal more or less depends on the time
		}
		if strings.HasPrefix(name, "DELETE ") && times[name] > 1 {
			continue // as does whether one must be sent again
		}
		points = append(points, killPoint{name, times[name], false}, killPoint{name, times[name], true})
	}
	if len(points) < 25 {
		t.Fatalf("%d moments, want at least 25: %v", len(points), points)
	}
	// What only a source in the cluster with a cache has: the cache's claim beside the
	// copy's, and the status at the start and at the end.
	for _, name := range []string{"POST persistentvolumeclaims", "PATCH replicationsources/status"} {
		if times[name] != 2 {
			t.Fatalf("%d requests %s, want 2: %v", times[name], name, requests)
		}
	}
	return points
}

// sorted are the requests without their order: two at once may arrive either way.
func sorted(requests []string) []string { return slices.Sorted(slices.Values(requests)) }

// killFaults are the command's death at each of the points: it comes to its end at once,
// and its run is ended by whoever comes next. Of each pair, before and after a request,
// both go the same way.
func killFaults(points []killPoint) []faultRow {
	rows := make([]faultRow, 0, len(points))
	for i, point := range points {
		var k killed
		rows = append(rows, faultRow{
			name: "killed " + point.String(), live: true, shape: shape{Kopia: keptCache}, leaves: true, cleanup: i/2%2 == 0,
			meet: func(f *faulted) ended {
				k = f.killedAt(point)
				f.shows("the process ended by SIGKILL %s", point)
				return k.ended
			},
			told: func(f *faulted) { f.tellsOfKilled(k) },
			code: -1, says: killedRun,
		})
	}
	return rows
}

// killedRun is how a command that is killed has named its run.
const killedRun = `, run (\d{8}-\d{4}-[a-z0-9]+)`

// tellsOfKilled fails the test unless what is told of a killed command's run is what
// became of it: a mover that was let run has nobody to stop it, and has backed the data
// up; one that was not has done nothing.
func (f *faulted) tellsOfKilled(k killed) {
	f.t.Helper()
	found := regexp.MustCompile(killedRun).FindStringSubmatch(k.stderr)
	if found == nil {
		f.t.Fatalf("the killed command has not named its run:\n%s", k.stderr)
	}
	id := found[1]
	own := taggedBy(id, f.client().Snapshots(f.t))
	history := f.history()
	i := slices.IndexFunc(history, func(r result.Result) bool { return r.RunID == id })
	if !k.started {
		if len(own) > 0 || i >= 0 {
			f.t.Errorf("the mover of run %s was not started: snapshots %+v, history %+v", id, own, history)
		}
	} else {
		if len(own) != 1 || i < 0 || history[i].Outcome != result.Succeeded {
			f.t.Fatalf("the mover of run %s was started, and nobody has stopped it: snapshots %+v, history %+v", id, own, history)
		}
		kopiatest.Compare(f.t, f.data, f.restored(own[0].ID))
	}
	if f.row.cleanup { // or else the next run is the last
		f.statusTellsOf(id, k.started)
	}
}

// statusTellsOf fails the test unless the live source's status, and what status prints,
// tell of the run that it has succeeded, or of none if it never started.
func (f *faulted) statusTellsOf(id string, started bool) {
	f.t.Helper()
	last, s := f.lastTold(), f.status("app")
	if !started {
		if last != nil || s.LastSyncTime != nil || s.LatestMoverStatus.Result != "" {
			f.t.Errorf("the run was not started: status prints %+v, and the source has %+v", last, s)
		}
		return
	}
	if last == nil || last.RunID != id || last.Outcome != result.Succeeded {
		f.t.Errorf("status prints %+v, want the success of run %s", last, id)
	}
	if s.LastSyncTime == nil || s.LatestMoverStatus.Result != "Successful" {
		f.t.Errorf("the source's status is %+v, want the success of run %s", s, id)
	}
	f.synchronizing(s, "WaitingForManual")
}

// killed is how a command ended that was killed.
type killed struct {
	ended
	// started is true when the first change of its Job was answered, which without hooks
	// is what lets the mover run.
	started bool
}

// killedAt runs a backup whose process is killed at the point, and fails the test
// unless it really was.
func (n *space) killedAt(point killPoint, args ...string) killed {
	n.t.Helper()
	p := newProxy(n.t)
	args = append([]string{"backup", "-f", n.file, "-o", "json", "--keep-job=0", "--progress=plain"}, args...)
	cmd, stdout, stderr := command(n.t.Context(), p.kubeconfig, args...)
	var dead, started atomic.Bool
	kill := func() {
		if dead.CompareAndSwap(false, true) {
			_ = cmd.Process.Kill()
		}
	}
	p.spoil = func(_ http.ResponseWriter, _ *http.Request, change int) bool {
		if change > 0 && !point.after && point.is(p.seen()[:change]) {
			kill()
		}
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	p.after = func(_ *http.Request, change int) {
		if change == 0 {
			return
		}
		seen := p.seen()[:change]
		if seen[change-1] == "PATCH jobs" {
			started.Store(true)
		}
		if point.after && point.is(seen) {
			kill()
		}
	}
	n.must(cmd.Start())
	err := cmd.Wait()
	if !dead.Load() || err == nil || !endedBy(cmd, syscall.SIGKILL) {
		n.t.Fatalf("the command was not killed %s: %v\n%s", point, err, stderr)
	}
	if stdout.Len() > 0 {
		n.t.Errorf("the command was killed %s, and has printed a result:\n%s", point, stdout)
	}
	return killed{ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, started.Load()}
}

func endedBy(cmd *exec.Cmd, s syscall.Signal) bool {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// cleanup waits until no mover runs, then removes what is left.
func (n *space) cleanup() {
	n.t.Helper()
	n.until("no mover runs", func(context.Context) bool {
		end := call(n.t, "runs", "list", "-n", n.name)
		return end.code == 0 && !strings.Contains(end.stdout, "Running") && !strings.Contains(end.stdout, "Stopping")
	})
	if end := call(n.t, "cleanup", "-n", n.name, "--yes"); end.code != 0 {
		n.t.Fatalf("cleanup ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
}

// next runs the next backup, and fails the test unless it succeeds and leaves nothing.
func (n *space) next(before []string) {
	n.t.Helper()
	n.succeeds()
	n.leftNothing(before)
}

// succeeds runs the next backup, which a mover that still runs may refuse for a while,
// and fails the test unless it makes a snapshot of its own, whole and of this data, and
// status tells of it.
func (n *space) succeeds() {
	n.t.Helper()
	var r result.Result
	for began := time.Now(); ; time.Sleep(time.Second) {
		end := call(n.t, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
		if end.code != 5 || time.Since(began) > time.Minute {
			r = end.result(n.t, 0)
			break
		}
	}
	n.listedAndRestored(r)
	if last := n.lastTold(); last == nil || last.RunID != r.RunID || last.Outcome != r.Outcome {
		n.t.Errorf("status tells of %+v, want the success of run %s", last, r.RunID)
	}
}

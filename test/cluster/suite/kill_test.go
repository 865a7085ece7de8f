package suite

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// killPoints are those of a clean run by snapshot, by the API server's audit log. It
// must have what the proxy saw, which is what the runs are killed by.
func killPoints(t *testing.T) []killPoint {
	t.Helper()
	n := newSpace(t, shape{CopyMethod: "Snapshot"})
	p := newProxy(t)
	began := time.Now()
	if end := callAs(t, p.kubeconfig, "backup", "-f", n.file, "--keep-job=0"); end.code != 0 {
		t.Fatalf("the clean run ended with %d\n%s", end.code, end.stderr)
	}
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
	return points
}

// sorted are the requests without their order: two at once may arrive either way.
func sorted(requests []string) []string { return slices.Sorted(slices.Values(requests)) }

// TestAKilledCommandLeavesNothingForLong kills the command at every mutating
// request of a run, and looks at what the next run, or cleanup, makes of it.
func TestAKilledCommandLeavesNothingForLong(t *testing.T) {
	t.Parallel()
	for i, point := range killPoints(t) {
		t.Run(point.String(), func(t *testing.T) {
			t.Parallel()
			n := newSpace(t, shape{CopyMethod: "Snapshot"})
			before := n.atRest().inventory()
			n.killedAt(point)
			left := len(n.inventory()) - len(before)
			if i%2 == 0 {
				n.cleanup()
				n.leftNothing(before)
			}
			n.next(before)
			n.sound()
			t.Logf("left at once: %d objects; after the next run: 0", left)
		})
	}
}

// killedAt runs a backup whose process is killed at the point, and fails the test
// unless it really was.
func (n *space) killedAt(point killPoint, args ...string) {
	n.t.Helper()
	p := newProxy(n.t)
	args = append([]string{"backup", "-f", n.file, "--keep-job=0", "--progress=plain"}, args...)
	cmd, _, stderr := command(n.t.Context(), p.kubeconfig, args...)
	var killed atomic.Bool
	kill := func() {
		if killed.CompareAndSwap(false, true) {
			_ = cmd.Process.Kill()
		}
	}
	p.spoil = func(_ http.ResponseWriter, _ *http.Request, change int) bool {
		if change > 0 && !point.after && point.is(p.seen()[:change]) {
			kill()
		}
		if killed.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	p.after = func(_ *http.Request, change int) {
		if change > 0 && point.after && point.is(p.seen()[:change]) {
			kill()
		}
	}
	n.must(cmd.Start())
	err := cmd.Wait()
	if !killed.Load() || err == nil || !endedBy(cmd, syscall.SIGKILL) {
		n.t.Fatalf("the command was not killed %s: %v\n%s", point, err, stderr)
	}
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

// next runs the next backup, which a mover that still runs may refuse for a
// while, and fails the test unless it succeeds and leaves nothing.
func (n *space) next(before []string) {
	n.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Second) {
		end := call(n.t, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
		if end.code == 0 && strings.Contains(end.stdout, `"outcome": "`+string(result.Succeeded)+`"`) {
			break
		}
		if end.code != 5 || time.Since(began) > time.Minute {
			n.t.Fatalf("the next run ended with %d\n%s%s", end.code, end.stdout, end.stderr)
		}
	}
	n.leftNothing(before)
}

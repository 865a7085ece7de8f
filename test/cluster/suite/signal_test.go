package suite

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// stopSignal is a signal that cancels a command, and the exit code that it then has.
type stopSignal struct {
	name   string
	signal os.Signal
	code   int
}

func stopSignals() []stopSignal {
	return []stopSignal{{"SIGINT", syscall.SIGINT, 130}, {"SIGTERM", syscall.SIGTERM, 143}}
}

// TestASignalNamesTheIncompleteSnapshot stops a command while its mover is in the
// midst of a large upload, which a limit keeps from being over too soon.
func TestASignalNamesTheIncompleteSnapshot(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Direct"} {
		for _, row := range stopSignals() {
			t.Run(method+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				n := newSource(t, shape{CopyMethod: method, Kopia: "    additionalArgs: ['--upload-speed=10MB']\n"})
				n.random("large", 400)
				before := n.atRest().objects()
				p := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json")
				n.untilUploading(60 << 20)
				n.must(p.cmd.Process.Signal(row.signal))
				end := p.wait()
				r := end.result(t, row.code)
				if r.Outcome != result.Cancelled || r.Snapshot == nil || r.Snapshot.Incomplete != "canceled" || r.Snapshot.Proved != "" {
					t.Fatalf("%+v, snapshot %+v", r, r.Snapshot)
				}
				if note := "stopping: kopia saves what it has uploaded, if anything; "; strings.Count(end.stderr, note) != 1 {
					t.Errorf("it does not say once that the signal was heard:\n%s", end.stderr)
				}
				if !strings.Contains(end.stderr, r.Snapshot.ID) || !strings.Contains(end.stderr, "cancelled by "+row.name) {
					t.Errorf("neither the signal nor snapshot %s is named:\n%s", r.Snapshot.ID, end.stderr)
				}
				history, _ := n.kept("app")
				n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
				if s := n.status("app"); s.LastSyncTime != nil || s.LatestMoverStatus.Result != "Failed" || !strings.Contains(s.LatestMoverStatus.Logs, r.Snapshot.ID) {
					t.Errorf("the status is %+v", s)
				}
				n.onlyIncomplete(r)
			})
		}
	}
}

// untilUploading waits until the repository holds so many bytes.
func (n *space) untilUploading(bytes int64) {
	n.t.Helper()
	n.until("the mover has uploaded a part", func(context.Context) bool {
		var held int64
		for _, path := range n.filesIn(n.repository) {
			if info, err := os.Stat(path); err == nil {
				held += info.Size()
			}
		}
		return held >= bytes
	})
}

// filesIn are the files of a directory that may not be there yet.
func (n *space) filesIn(dir string) []string {
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return filesOf(n.t, dir)
}

// onlyIncomplete fails the test unless the repository is sound and holds the run's
// snapshot, as incomplete, and none that is complete.
func (n *space) onlyIncomplete(r result.Result) {
	n.t.Helper()
	found := false
	for _, s := range n.client().Snapshots(n.t) {
		if s.Incomplete == "" {
			n.t.Errorf("snapshot %s is listed as complete", s.ID)
		}
		found = found || s.ID == r.Snapshot.ID
	}
	if !found {
		n.t.Errorf("kopia does not list snapshot %s, which the command names", r.Snapshot.ID)
	}
	n.sound()
}

// TestASecondSignalLeavesAtOnce and says what goes on without the command, which
// the next one cleans up.
func TestASecondSignalLeavesAtOnce(t *testing.T) {
	t.Parallel()
	n := newSpace(t, gated(shape{}))
	before := n.atRest().inventory()
	p := start(t, n.kubeconfig, "backup", "-f", n.file, "--actions-on-live-volume", "--keep-job=0")
	id := n.untilRuns("Running")[0].ID
	n.untilWaiting(id)
	n.must(p.cmd.Process.Signal(syscall.SIGINT))
	time.Sleep(300 * time.Millisecond)
	sent := time.Now()
	n.must(p.cmd.Process.Signal(syscall.SIGINT))
	end := p.wait()
	if took := time.Since(sent); took > 10*time.Second {
		t.Errorf("the command took another %s", took)
	}
	if end.code == 0 {
		t.Errorf("the command ended with 0\n%s%s", end.stdout, end.stderr)
	}
	if !strings.Contains(end.stderr, id) || !strings.Contains(end.stderr, "cleanup") {
		t.Errorf("the command does not say what remains of run %s:\n%s", id, end.stderr)
	}
	n.cleanup()
	n.leftNothing(before)
}

// TestAStopWhileTheMoverStartsIsHeard tells movers to stop while their containers are
// being started, so that the signal comes before the program can listen: the kernel
// would not deliver it to a process 1, and the run would go on.
func TestAStopWhileTheMoverStartsIsHeard(t *testing.T) {
	t.Parallel()
	const attempts = 8
	for i := range attempts {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			n := newSpace(t, gated(shape{}))
			before := n.atRest().inventory()
			events, err := shared.typed.CoreV1().Events(n.name).Watch(t.Context(), metav1.ListOptions{FieldSelector: "reason=Created,involvedObject.kind=Pod"})
			n.must(err)
			defer events.Stop()
			p := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--actions-on-live-volume", "--keep-job=0")
			select {
			case <-events.ResultChan():
			case <-p.done:
				t.Fatalf("the command has ended before its mover was made\n%s", p.stderr)
			}
			stopped := time.Now()
			n.must(p.cmd.Process.Signal(syscall.SIGINT))
			p.wait().result(t, 130)
			if took := time.Since(stopped); took > time.Minute {
				t.Errorf("the mover took %s to stop", took)
			}
			n.leftNothing(before)
		})
	}
}

// TestACommandThatCancelsIsAlive: its mover saves for a while what it has. Nobody
// else takes the run for dead meanwhile, and what the mover has saved is in its Result.
func TestACommandThatCancelsIsAlive(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: "    additionalArgs: ['--upload-speed=1MB']\n"})
	n.random("large", 100)
	before := n.atRest().objects()
	p := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json")
	n.untilUploading(4 << 20)
	n.must(p.cmd.Process.Signal(syscall.SIGINT))
	n.untilRuns("Stopping")
	others := map[string]*running{
		"status":  start(t, n.kubeconfig, "status", "-n", n.name),
		"cleanup": start(t, n.kubeconfig, "cleanup", "-n", n.name, "--yes"),
	}
	if end := call(t, "backup", "-f", n.file); end.code != 5 || !strings.Contains(end.stderr, "its mover is running") {
		t.Errorf("another backup ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	for name, other := range others {
		if end := other.wait(); end.code != 0 || strings.Contains(end.stdout, "removed") {
			t.Errorf("%s ended with %d\n%s%s", name, end.code, end.stdout, end.stderr)
		}
	}
	r := p.wait().result(t, 130)
	if r.Outcome != result.Cancelled || r.Snapshot == nil || r.Snapshot.Incomplete != "canceled" {
		t.Fatalf("%+v, snapshot %+v", r, r.Snapshot)
	}
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	if s := n.status("app"); !strings.Contains(s.LatestMoverStatus.Logs, r.Snapshot.ID) {
		t.Errorf("the status is %+v", s)
	}
}

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// history returns the last Result that is kept of the source "app".
func (w *world) history(t *testing.T) result.Result {
	t.Helper()
	name := plan.LocalHistory(w.state, result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"})
	var h status.History
	if err := json.Unmarshal([]byte(readFile(t, name)), &h); err != nil || len(h.Results) == 0 {
		t.Fatalf("the history: %+v, %v", h, err)
	}
	return h.Results[len(h.Results)-1]
}

// children returns the processes that the process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// stoppedByOthers is the reason that scripts see.
const stoppedByOthers = "StoppedByOthers"

// TestAMoverThatSomebodyElseStopsIsNoCancel: nobody has told the command to stop.
func TestAMoverThatSomebodyElseStopsIsNoCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	r := w.start(t, uploading, slow(t, w)...)
	movers := children(t, r.cmd.Process.Pid)
	if len(movers) != 1 {
		t.Fatalf("the command has the children %v", movers)
	}
	if err := syscall.Kill(movers[0], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.wait()
	if got := r.cmd.ProcessState.ExitCode(); got != 4 {
		t.Errorf("exit %d, want 4\n%s", got, r.log())
	}
	var res result.Result
	if err := json.Unmarshal(r.stdout.Bytes(), &res); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout.String())
	}
	if res.Outcome != result.Incomplete || res.ExitCode != 4 || res.Reason != stoppedByOthers || res.Snapshot == nil || res.Snapshot.Incomplete == "" {
		t.Errorf("the result is %+v", res)
	}
	if recorded := w.history(t); recorded.Outcome != result.Incomplete || recorded.Reason != stoppedByOthers {
		t.Errorf("the history says %s, %s", recorded.Outcome, recorded.Reason)
	}
	nothingLeft(t, w)
}

// alive reports whether any of the processes lives.
func alive(pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
}

func TestAKilledCommandLeavesNothingThatTheNextRunDoesNotRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	files := slow(t, w)
	// A kopia whose checkpoint takes its time and is talked about: the mover
	// outlives the command by as much, with nobody who reads its log.
	w.program(t, "kopia-with-notes", fmt.Sprintf(`
{ printf '%%s\037' "$@"; echo; } >> '%[1]s/argv'
case "$1 $2" in
"snapshot create")
	trap : TERM
	lines='1 2 3 4 5 6 7 8 9'
	if [ -e '%[1]s/second' ]; then
		lines=
		[ -e '%[1]s/saved' ] || touch '%[1]s/overtaken'
	fi
	'%[2]s' "$@"
	code=$?
	for i in $lines; do echo " | 1 hashing, $i hashed ($i MB), 0 cached (0 B), uploaded $i MB, estimating..." >&2; sleep 0.3; done
	touch '%[1]s/saved'
	exit $code;;
esac
exec '%[2]s' "$@"`, w.dir, w.kopia))
	r := w.start(t, uploading, files...)
	movers := children(t, r.cmd.Process.Pid)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The command's own end: its mover has its standard error and goes on.
	if _, err := r.cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	defer r.wait()
	records, err := filepath.Glob(filepath.Join(w.state, "runs", "*", "run.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("the killed run is not on record: %v, %v", records, err)
	}
	var record struct{ WorkDir string }
	if err := json.Unmarshal([]byte(readFile(t, records[0])), &record); err != nil {
		t.Fatal(err)
	}
	// The mover notices and ends, as after SIGTERM; until then the source is taken.
	kopiatest.Write(t, filepath.Join(w.dir, "second"), "")
	var results []result.Result
	var e ended
	refused := 0
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		results, e = w.backup(t, w.files(t, "app")...)
		if e.code != 5 || time.Now().After(deadline) {
			break
		}
		if !strings.Contains(e.stderr, "of this object is dead, and its mover still saves what it has") {
			t.Fatalf("refused for another reason:\n%s", e.stderr)
		}
		if alive(movers) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no run was refused while the killed one's mover lived")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "overtaken")); err == nil {
		t.Error("the next run began before the killed one's kopia had saved what it had")
	}
	if e.code != 0 || len(results) != 1 || results[0].Outcome != result.Succeeded {
		t.Fatalf("the next run: exit %d\n%s", e.code, e.stderr)
	}
	if _, err := os.Stat(record.WorkDir); !os.IsNotExist(err) {
		t.Errorf("the killed run's private directory is still there: %v", err)
	}
	kopiatest.Compare(t, w.volume, w.repo.Restore(t, results[0].Snapshot.ID))
	nothingLeft(t, w)
}

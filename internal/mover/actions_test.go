package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestActionsWrapTheSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.Actions = &result.Actions{
		Before:  `echo dump > dump.sql; tr '\0' '\n' < /proc/$$/environ`,
		After:   "#!/bin/sh\nrm dump.sql\necho cleaned in $DATA_DIR\nexit 7\n",
		Timeout: result.Duration(time.Minute),
	}
	o := w.run(t)
	o.want(t, result.SucceededWithWarnings, 0, "")
	if _, err := os.Stat(filepath.Join(w.repo.Restore(t, o.Snapshot.ID), "dump.sql")); err != nil {
		t.Errorf("the snapshot lacks what the before-action made: %v", err)
	}
	if _, err := os.Stat(w.data + "/dump.sql"); err == nil {
		t.Error("the after-action did not run")
	}
	if !strings.Contains(o.log, "afterSnapshot: cleaned in "+w.data) {
		t.Errorf("the actions' output is\n%s", o.log)
	}
	var env []string
	for line := range strings.Lines(o.log) {
		if variable, ok := strings.CutPrefix(line, "beforeSnapshot: "); ok {
			env = append(env, strings.TrimSuffix(variable, "\n"))
		}
	}
	want := []string{"PATH=" + kopiaexec.DefaultPath, "HOME=/tmp", "LANG=C.UTF-8", "TZ=UTC", "DATA_DIR=" + w.data, "VOLSYNC_KOPIA_RUN=run-1"}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("the environment of an action:\n%s", diff)
	}
	if len(o.Actions) != 2 || o.Actions[1].ExitCode != 7 {
		t.Errorf("actions %+v", o.Actions)
	}
}

func TestActionAtItsTimeLimitIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	// The limit is the after-action's too, which has to keep it on a busy machine.
	w.task.Backup.Actions = &result.Actions{
		Before: "sleep 60 & echo $! > '" + w.dir + "/child'; wait", After: "touch '" + w.dir + "/after'", Timeout: result.Duration(3 * time.Second),
	}
	o := w.run(t)
	o.want(t, result.Failed, 1, "BeforeActionFailed")
	if !strings.Contains(o.Message, "time limit") || !o.Actions[0].TimedOut {
		t.Errorf("message %q, actions %+v", o.Message, o.Actions)
	}
	if _, err := os.Stat(w.dir + "/after"); err != nil {
		t.Error("the after-action did not run")
	}
	pid, err := os.ReadFile(w.dir + "/child")
	if err != nil {
		t.Fatal(err)
	}
	if state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat"); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("the action's child is still there: %s", state)
	}
}

func TestActionsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.policy(t, "repository.config", `{"enableActions": false}`)
	w.task.Backup.Actions = &result.Actions{Before: "exit 1"}
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if len(o.Actions) != 0 {
		t.Errorf("actions ran: %+v", o.Actions)
	}
	const said = "VK318 the actions are not run: repository.config turns them off (enableActions)\n"
	if strings.Count(o.log, said) != 1 {
		t.Errorf("the log does not say once that the actions are turned off:\n%s", o.log)
	}
	// A plan that knows of it leaves the commands out of the task.
	w.task.Backup.Actions, w.task.Backup.ActionsOff = nil, true
	if o = w.run(t); strings.Count(o.log, said) != 1 {
		t.Errorf("the log of a task without the commands does not say it:\n%s", o.log)
	}
}

func TestFailedBeforeActionMakesNoSnapshotAndAfterStillRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.Actions = &result.Actions{Before: "echo no; exit 3", After: "touch '" + w.dir + "/after'"}
	o := w.run(t)
	o.want(t, result.Failed, 1, "BeforeActionFailed")
	if !strings.Contains(o.Message, "exit code 3") || o.Snapshot != nil || len(w.repo.Snapshots(t)) > 0 {
		t.Errorf("message %q, snapshot %+v", o.Message, o.Snapshot)
	}
	if _, err := os.Stat(w.dir + "/after"); err != nil {
		t.Error("the after-action did not run")
	}
}

func TestAfterActionRunsWhenTheSnapshotFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.shim(t, `case "$*" in *"snapshot create"*) echo "broken" >&2; exit 1;; esac`)
	w.task.Backup.Actions = &result.Actions{After: "touch '" + w.dir + "/after'"}
	o := w.run(t)
	o.want(t, result.Failed, 1, "KopiaFailed")
	if _, err := os.Stat(w.dir + "/after"); err != nil {
		t.Error("the after-action did not run")
	}
}

// A cancel that comes while the after-action runs leaves it what is left of the
// grace period, as one that came before it does.
func TestCancelBoundsAnAfterActionUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.GracePeriod = result.Duration(4 * time.Second)
	w.task.Backup.Actions = &result.Actions{After: "echo begun; sleep 60; echo done"}
	start := time.Now()
	o := runCancelledFast(t, w, "afterSnapshot: begun")
	o.want(t, result.Cancelled, 143, "Cancelled")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("the run went on for %s", took)
	}
	if len(o.Actions) != 1 || !o.Actions[0].TimedOut || strings.Contains(o.log, "afterSnapshot: done") {
		t.Errorf("actions %+v\n%s", o.Actions, o.log)
	}
	if saved := w.repo.Snapshots(t); len(saved) != 1 || o.Snapshot == nil || o.Snapshot.ID != saved[0].ID {
		t.Errorf("the result names %+v, the repository holds %v", o.Snapshot, saved)
	}
}

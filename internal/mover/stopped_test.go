package mover_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// stopRows are the rows of the truth table in which kopia is told to end.
func stopRows() []truthRow {
	return []truthRow{
		{"cancelled in mid-upload names the partial snapshot", func(t *testing.T, w *world) outcome {
			return runCancelled(t, w, `"type":"progress"`, fault.New(fault.Terminated, "SIGTERM"))
		}, result.Cancelled, 143, "Cancelled", 1, func(t *testing.T, w *world, o outcome) {
			listed := w.repo.Snapshots(t)[0]
			if o.Snapshot == nil || o.Snapshot.ID != listed.ID || o.Snapshot.Proved != "" || listed.Incomplete == "" {
				t.Errorf("result %+v, repository %+v", o.Snapshot, listed)
			}
		}},
		{"cancelled by SIGINT ends with 130", func(t *testing.T, w *world) outcome {
			return runCancelled(t, w, `"type":"progress"`, fault.New(fault.Interrupt, "SIGINT"))
		}, result.Cancelled, 130, "Cancelled", 1, nil},
		{"cancelled before kopia is started leaves no snapshot", func(t *testing.T, w *world) outcome {
			return runCancelledFast(t, w, `"phase":"snapshot"`)
		}, result.Cancelled, 143, "Cancelled", 0, noSnapshotWasMade},
		{"cancelled before kopia can listen leaves no snapshot", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) echo "not listening yet" >&2; exec sleep 30;; esac`)
			return runCancelledFast(t, w, "not listening yet")
		}, result.Cancelled, 143, "Cancelled", 0, noSnapshotWasMade},
		{"kopia that is killed at the end of its grace may have left something", func(t *testing.T, w *world) outcome {
			w.task.GracePeriod = result.Duration(time.Second)
			w.shim(t, `case "$*" in *"snapshot create"*) trap "" TERM; echo "flushing" >&2; sleep 30;; esac`)
			return runCancelledFast(t, w, "flushing")
		}, result.Cancelled, 143, "Cancelled", 0, mayHoldPart},
		{"so may one that ends in the middle of a word", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*)
trap 'printf "{\"id\":\"0123"; exit 0' TERM; echo "flushing" >&2; sleep 30 & wait; exit 1;; esac`)
			return runCancelledFast(t, w, "flushing")
		}, result.Cancelled, 143, "Cancelled", 0, mayHoldPart},
		{"cancelled during the proof names the snapshot that is not proved", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot verify"*) sleep 30;; esac`)
			return runCancelledFast(t, w, `"phase":"proof"`)
		}, result.Cancelled, 143, "Cancelled", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != "" {
				t.Errorf("snapshot %+v", o.Snapshot)
			}
		}},
		{"kopia stopped by somebody else leaves an incomplete snapshot", runStoppedByOthers, result.Incomplete, 4, "CutShort", 1, nil},
		{"so does SIGINT", func(t *testing.T, w *world) outcome { return runSignalled(t, w, syscall.SIGINT) }, result.Incomplete, 4, "CutShort", 1, nil},
		{"SIGTERM before kopia has set its handler leaves nothing", runStoppedAtOnce, result.Failed, 1, "KopiaKilled", 0, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot != nil || !strings.Contains(o.Message, "terminated") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"kopia killed by somebody else leaves nothing", runKilledByOthers, result.Failed, 1, "KopiaKilled", 0, nil},
	}
}

func noSnapshotWasMade(t *testing.T, _ *world, o outcome) {
	t.Helper()
	if o.Snapshot != nil || !strings.Contains(o.Message, "no snapshot was made") {
		t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
	}
}

// mayHoldPart checks that nothing is claimed of what nobody has looked at.
func mayHoldPart(t *testing.T, _ *world, o outcome) {
	t.Helper()
	if o.Snapshot != nil || strings.Contains(o.Message, "no snapshot was made") || !strings.Contains(o.Message, "may hold a partial one, tagged volsync-kopia-run:run-1") {
		t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
	}
}

// slowData makes files that take kopia long to read and nothing to upload.
func (w *world) slowData(t *testing.T) {
	t.Helper()
	w.task.Backup.Args = []string{"--parallel=1", "--progress-update-interval=100ms"}
	for i := range 200 {
		name := filepath.Join(w.data, fmt.Sprintf("sparse-%03d", i))
		kopiatest.Write(t, name, "x")
		if err := os.Truncate(name, 400<<20); err != nil {
			t.Fatal(err)
		}
	}
}

// runCancelled cancels the run when the mark appears in its log.
func runCancelled(t *testing.T, w *world, mark string, cause error) outcome {
	t.Helper()
	w.slowData(t)
	return runUntil(t, w, mark, cause)
}

func runCancelledFast(t *testing.T, w *world, mark string) outcome {
	t.Helper()
	return runUntil(t, w, mark, fault.New(fault.Terminated, "SIGTERM"))
}

func runUntil(t *testing.T, w *world, mark string, cause error) outcome {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	log := &safeBuffer{onWrite: func(p string) {
		if strings.Contains(p, mark) {
			cancel(cause)
		}
	}}
	return w.runLogged(ctx, t, log)
}

func runStoppedByOthers(t *testing.T, w *world) outcome {
	t.Helper()
	return runSignalled(t, w, syscall.SIGTERM)
}

// runStoppedAtOnce stops kopia in the first instant of its life.
func runStoppedAtOnce(t *testing.T, w *world) outcome {
	t.Helper()
	w.shim(t, `case "$*" in *"snapshot create"*) pid=$$; (sleep 0.02; kill -TERM $pid) & esac`)
	return w.run(t)
}

func runKilledByOthers(t *testing.T, w *world) outcome {
	t.Helper()
	return runSignalled(t, w, syscall.SIGKILL)
}

// runSignalled signals the kopia that uploads, behind the mover's back.
func runSignalled(t *testing.T, w *world, signal syscall.Signal) outcome {
	t.Helper()
	w.slowData(t)
	w.shim(t, `echo $$ > "$DIR/pid"`)
	sent := false
	log := &safeBuffer{onWrite: func(p string) {
		if sent || !strings.Contains(p, `"type":"progress"`) {
			return
		}
		sent = true
		data, err := os.ReadFile(filepath.Join(w.dir, "pid"))
		if err != nil {
			t.Error(err)
			return
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Error(err)
			return
		}
		if err := syscall.Kill(pid, signal); err != nil {
			t.Error(err)
		}
	}}
	return w.runLogged(t.Context(), t, log)
}

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
		{"told to stop, kopia prints an id and fails at the flush", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*)
trap 'echo "{\"id\":\"0123\",\"source\":{}}"; echo "write: no space left on device" >&2; exit 1' TERM; echo "flushing" >&2; sleep 30 & wait; exit 1;; esac`)
			return runCancelledFast(t, w, "flushing")
		}, result.Cancelled, 143, "Cancelled", 0, printedAndFailed("no space left on device")},
		{"kopia that is killed after it has printed an id", func(t *testing.T, w *world) outcome {
			w.task.GracePeriod = result.Duration(time.Second)
			w.shim(t, `case "$*" in *"snapshot create"*) trap "" TERM; echo '{"id":"0123","source":{}}'; echo "flushing" >&2; sleep 30;; esac`)
			return runCancelledFast(t, w, "flushing")
		}, result.Cancelled, 143, "Cancelled", 0, printedAndFailed("ended by the signal killed")},
		{"cancelled during the proof of a snapshot that kopia may not have saved", func(t *testing.T, w *world) outcome {
			w.shim(t, printsAnID+`*"snapshot verify"*) sleep 30;; esac`)
			return runCancelledFast(t, w, `"phase":"proof"`)
		}, result.Cancelled, 143, "Cancelled", 0, printedAndFailed("broken at the end")},
		{"cancelled while the policies are read leaves no snapshot", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"policy export"*) echo "reading" >&2; exec sleep 30;; esac`)
			return runCancelledFast(t, w, "reading")
		}, result.Cancelled, 143, "Cancelled", 0, noSnapshotWasMade},
		{"what went wrong before the cancel stays the reason", func(t *testing.T, w *world) outcome {
			w.task.Backup.Actions = &result.Actions{After: "echo cleaning up; sleep 1", Timeout: result.Duration(time.Minute)}
			w.shim(t, `case "$*" in *"snapshot create"*) echo "broken in the middle" >&2; exit 1;; esac`)
			return runCancelledFast(t, w, "cleaning up")
		}, result.Failed, 1, "KopiaFailed", 0, saysTheCancelToo("broken in the middle")},
		{"so does the failure of the before-action", func(t *testing.T, w *world) outcome {
			w.task.Backup.Actions = &result.Actions{Before: "exit 3", After: "echo cleaning up; sleep 1", Timeout: result.Duration(time.Minute)}
			return runCancelledFast(t, w, "cleaning up")
		}, result.Failed, 1, "BeforeActionFailed", 0, saysTheCancelToo("ended with exit code 3")},
		{"and a proved snapshot that lacks files", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) "$KOPIA" "$@" | sed 's/"numFailed":0/"numFailed":1/'; exit 1;; esac`)
			return runCancelledFast(t, w, "Proved snapshot")
		}, result.Incomplete, 4, "FilesUnreadable", 1, saysTheCancelToo("1 file or directory could not be read")},
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

// printedAndFailed checks that a snapshot which kopia named and may not have
// saved is not claimed.
func printedAndFailed(why string) func(*testing.T, *world, outcome) {
	return func(t *testing.T, _ *world, o outcome) {
		t.Helper()
		for _, want := range []string{"kopia printed snapshot 0123", why, "and the repository may hold it, tagged volsync-kopia-run:run-1"} {
			if o.Snapshot != nil || !strings.Contains(o.Message, want) {
				t.Errorf("snapshot %+v, message %q; want %q", o.Snapshot, o.Message, want)
			}
		}
	}
}

// saysTheCancelToo checks that a cancel which came after the verdict hides
// nothing of it.
func saysTheCancelToo(why string) func(*testing.T, *world, outcome) {
	return func(t *testing.T, _ *world, o outcome) {
		t.Helper()
		if !strings.Contains(o.Message, why) || !strings.Contains(o.Message, "the run was cancelled after that") {
			t.Errorf("message %q", o.Message)
		}
	}
}

// slowData makes files that take kopia long to read and nothing to upload.
func (w *world) slowData(t *testing.T) {
	t.Helper()
	w.task.Backup.Args = slowArgs()
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

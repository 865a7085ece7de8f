package mover_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// stoppedMaintenanceRows are those in which kopia is told to end.
func stoppedMaintenanceRows() []truthRow {
	return []truthRow{
		{"SIGTERM ends kopia at once, whatever it is at", runStoppedAtWork, result.Cancelled, 143, "Cancelled", -1, says("what it has done stays")},
		{"cancelled after some of it is done", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@"; echo "still at it" >&2; exec sleep 30;; esac`)
			return runCancelledFast(t, w, "kopia: still at it")
		}, result.Cancelled, 143, "Cancelled", -1, func(t *testing.T, w *world, o outcome) {
			says("what it has done stays")(t, w, o)
			if len(w.record(t).cycles()) == 0 {
				t.Error("nothing is on record")
			}
		}},
		{"cancelled after the ownership is taken", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "maintenance", "set", "--owner=admin@desk")
			w.task.Maintenance.TakeOwnership = true
			return runCancelledFast(t, w, `"phase":"maintenance"`)
		}, result.Cancelled, 143, "Cancelled", -1, func(t *testing.T, w *world, o outcome) {
			says("no maintenance was begun; the ownership, taken over from admin@desk, stays with maintenance@volsync")(t, w, o)
			if got := w.record(t).Owner; got != "maintenance@volsync" {
				t.Errorf("the owner is %s", got)
			}
		}},
		{"cancelled while the ownership is taken", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "maintenance", "set", "--owner=admin@desk")
			w.task.Maintenance.TakeOwnership = true
			w.shim(t, `case "$*" in *"maintenance set"*) echo "taking it" >&2; exec sleep 30;; esac`)
			return runCancelledFast(t, w, "kopia: taking it")
		}, result.Cancelled, 143, "Cancelled", -1, says("maintenance@volsync may own it now")},
		{"cancelled while the repository is opened", func(t *testing.T, w *world) outcome {
			w.shim(t, `echo "opening" >&2; exec sleep 30`)
			return runCancelledFast(t, w, "kopia: opening")
		}, result.Cancelled, 143, "Cancelled", -1, says("no maintenance was begun")},
		{"cancelled during the proof", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) touch "$DIR/ran";; *"maintenance info"*) [ -e "$DIR/ran" ] && { echo "reading" >&2; exec sleep 30; };; esac`)
			return runCancelledFast(t, w, "kopia: reading")
		}, result.Cancelled, 143, "Cancelled", -1, says("kopia said that the maintenance is done, which was not proved")},
		{"what went wrong before the cancel stays the reason", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) touch "$DIR/ran"; echo "broken at work" >&2; exit 1;; *"maintenance info"*) [ -e "$DIR/ran" ] && { echo "reading" >&2; exec sleep 30; };; esac`)
			return runCancelledFast(t, w, "kopia: reading")
		}, result.Failed, 1, "KopiaFailed", -1, saysTheCancelToo("broken at work")},
		{"kopia killed by somebody else", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@"; kill -KILL $$;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaKilled", -1, func(t *testing.T, _ *world, o outcome) {
			if len(o.Maintenance.Cycles) == 0 || !strings.Contains(o.Hint, "raise spec.resources.limits.memory") {
				t.Errorf("cycles %v, hint %q", o.Maintenance.Cycles, o.Hint)
			}
		}},
	}
}

// says checks the message.
func says(want string) func(*testing.T, *world, outcome) {
	return func(t *testing.T, _ *world, o outcome) {
		t.Helper()
		if !strings.Contains(o.Message, want) {
			t.Errorf("the message lacks %q: %s", want, o.Message)
		}
	}
}

// runStoppedAtWork cancels a real kopia that tries again and again to read a blob that
// is none, which it would do for 20 seconds.
func runStoppedAtWork(t *testing.T, w *world) outcome {
	t.Helper()
	w.shim(t, `case "$*" in *"maintenance run"*) mkdir "$REPO/kopia.maintenance.f"; echo "begins" >&2;; esac`)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var told time.Time
	log := &safeBuffer{onWrite: func(p string) {
		if strings.Contains(p, "kopia: begins") {
			time.AfterFunc(time.Second, func() { cancel(fault.New(fault.Terminated, "SIGTERM")) })
			told = time.Now()
		}
	}}
	o := w.runLogged(ctx, t, log)
	if took := time.Since(told); took > 10*time.Second {
		t.Errorf("kopia went on for %s", took)
	}
	return o
}

// brokenMaintenanceRows are those of a repository that cannot be maintained.
func brokenMaintenanceRows() []truthRow {
	return []truthRow{
		{"kopia fails at the end", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@"; echo "broken at the end" >&2; exit 1;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", -1, func(t *testing.T, w *world, o outcome) {
			says("broken at the end")(t, w, o)
			if len(o.Maintenance.Cycles) == 0 {
				t.Error("the cycles that are on record are not told")
			}
		}},
		{"a read-only file system", func(t *testing.T, w *world) outcome {
			mountReadOnly(t, w.repo.Dir)
			return w.run(t)
		}, result.Failed, 7, "StorageReadOnly", -1, nil},
		{"a wrong password", func(t *testing.T, w *world) outcome {
			w.secret(t, "KOPIA_PASSWORD", "another-"+canary)
			return refusedUntouched(t, w)
		}, result.Failed, 7, "WrongPassword", -1, nil},
		{"no repository", func(t *testing.T, w *world) outcome {
			emptied(t, w)
			return refusedUntouched(t, w)
		}, result.Failed, 7, "RepositoryNotInitialized", -1, nil},
		{"not even by a task that lets a repository be created", func(t *testing.T, w *world) outcome {
			emptied(t, w)
			w.task.Repository.Create = result.CreateAlways
			return refusedUntouched(t, w)
		}, result.Failed, 7, "RepositoryNotInitialized", -1, nil},
		{"no directory", func(t *testing.T, w *world) outcome {
			if err := os.RemoveAll(w.repo.Dir); err != nil {
				t.Fatal(err)
			}
			return w.run(t)
		}, result.Failed, 7, "StorageMissing", -1, func(t *testing.T, w *world, _ outcome) {
			if _, err := os.Stat(w.repo.Dir); err == nil {
				t.Error("the directory was made")
			}
		}},
		{"a blob is gone that kopia needs", func(t *testing.T, w *world) outcome {
			remove(t, w.repo.Blobs(t, "q"))
			return w.run(t)
		}, result.Failed, 1, "BlobMissing", -1, nil},
		{"the record cannot be read, and is made anew once it is gone", func(t *testing.T, w *world) outcome {
			w.run(t).want(t, result.Succeeded, 0, "")
			record := w.repo.Blobs(t, "kopia.maintenance")
			kopiatest.Write(t, record[0], strings.Repeat("damaged", 20))
			o := w.run(t)
			remove(t, record)
			w.run(t).want(t, result.Succeeded, 0, "")
			return o
		}, result.Failed, 1, "MaintenanceRecordDamaged", -1, func(t *testing.T, _ *world, o outcome) {
			if !strings.Contains(o.Hint, "remove that blob") {
				t.Errorf("hint %q", o.Hint)
			}
		}},
		{"the record may not be read", func(t *testing.T, w *world) outcome {
			w.run(t).want(t, result.Succeeded, 0, "")
			chmod(t, w.repo.Blobs(t, "kopia.maintenance")[0], 0)
			return w.runAs(t, nobody)
		}, result.Failed, 7, "StoragePermissionDenied", -1, func(t *testing.T, _ *world, o outcome) {
			if strings.Contains(o.Message+o.Hint, "damaged") || strings.Contains(o.Hint, "remove") || !strings.Contains(o.Hint, "spec.podSecurityContext.runAsUser") {
				t.Errorf("message %q, hint %q", o.Message, o.Hint)
			}
		}},
		{"a task without its part", func(t *testing.T, w *world) outcome {
			w.task.Maintenance = nil
			return refusedUntouched(t, w)
		}, result.Refused, 5, "BadTask", -1, nil},
		{"a task without an identity", func(t *testing.T, w *world) outcome {
			w.task.Identity.Hostname = ""
			return refusedUntouched(t, w)
		}, result.Refused, 5, "BadTask", -1, nil},
	}
}

// emptied takes everything out of the repository's directory.
func emptied(t *testing.T, w *world) {
	t.Helper()
	for _, name := range names(t, w.repo.Dir) {
		if err := os.RemoveAll(filepath.Join(w.repo.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

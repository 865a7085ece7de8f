package mover_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// truthRow really causes one situation of kopia snapshot create.
type truthRow struct {
	name string
	run  func(t *testing.T, w *world) outcome
	// What must come of it.
	outcome  result.Outcome
	exitCode int
	reason   string
	// saved is how many snapshots bare kopia must find afterwards; -1: any.
	saved int
	check func(t *testing.T, w *world, o outcome)
}

func TestTruthTable(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		runRows(t, kopia, newWorld, slices.Concat(fileRows(), stopRows(), savingRows()))
		runRows(t, kopia, newBareWorld, openingRows())
	})
}

func runRows(t *testing.T, kopia string, world func(*testing.T, string) *world, rows []truthRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.cause(t, world(t, kopia))
		})
	}
}

// cause brings the row's situation about and checks what comes of it.
func (row truthRow) cause(t *testing.T, w *world) {
	t.Helper()
	o := row.run(t, w)
	o.want(t, row.outcome, row.exitCode, row.reason)
	if row.saved >= 0 {
		if got := w.repo.Snapshots(t); len(got) != row.saved {
			t.Errorf("the repository holds %d snapshots, want %d", len(got), row.saved)
		}
	}
	if row.check != nil {
		row.check(t, w, o)
	}
}

func fileRows() []truthRow {
	return []truthRow{
		{"an unreadable file is saved around and named", runUnreadable, result.Incomplete, 4, "FilesUnreadable", 1, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.Failed != 1 || o.Snapshot.Proved != result.ProveBlobs || !strings.Contains(o.Message, "private.key") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"an unreadable file that a policy ignores is a warning", func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			return runUnreadable(t, w)
		}, result.SucceededWithWarnings, 0, "", 1, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot.Ignored != 1 || len(o.Snapshot.Errors) != 1 || !strings.Contains(o.Snapshot.Errors[0].Path, "private.key") {
				t.Errorf("ignored %d, errors %v", o.Snapshot.Ignored, o.Snapshot.Errors)
			}
		}},
		{"an ignored file is incomplete when the user is strict", func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			w.task.Backup.Strict = true
			return runUnreadable(t, w)
		}, result.Incomplete, 4, "FilesIgnored", 1, nil},
		{"fail-fast ends in an incomplete snapshot", func(t *testing.T, w *world) outcome {
			w.task.Backup.Args = []string{"--fail-fast"}
			return runUnreadable(t, w)
		}, result.Incomplete, 4, "FilesUnreadable", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot.Incomplete != "canceled" || w.repo.Snapshots(t)[0].Incomplete != "canceled" {
				t.Errorf("snapshot %+v", o.Snapshot)
			}
		}},
	}
}

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
		{"cancelled before kopia can listen leaves no snapshot", func(t *testing.T, w *world) outcome {
			return runCancelled(t, w, `"phase":"snapshot"`, fault.New(fault.Terminated, "SIGTERM"))
		}, result.Cancelled, 143, "Cancelled", -1, nil},
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

func savingRows() []truthRow {
	return []truthRow{
		{"nothing changed, with identical snapshots ignored", runIdentical, result.Unchanged, 0, "", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs {
				t.Errorf("snapshot %+v", o.Snapshot)
			}
		}},
		{"kopia fails after it has saved a whole snapshot", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) "$KOPIA" "$@"; echo "broken at the end" >&2; exit 1;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs || !strings.Contains(o.Message, "broken at the end") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"an empty directory that is to be backed up", func(t *testing.T, w *world) outcome {
			w.emptyData(t)
			w.task.Backup.OnEmpty = result.OnEmptySnapshot
			return w.run(t)
		}, result.Succeeded, 0, "", 1, nil},
	}
}

func openingRows() []truthRow {
	return []truthRow{
		{"a wrong password", func(t *testing.T, w *world) outcome {
			w.repo.Seed(t)
			w.secret(t, "KOPIA_PASSWORD", "another-"+canary)
			return w.run(t)
		}, result.Failed, 7, "WrongPassword", 0, nil},
		{"a directory that is not there", func(t *testing.T, w *world) outcome {
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.dir+"/nowhere")
			return w.run(t)
		}, result.Failed, 7, "StorageMissing", -1, func(t *testing.T, w *world, _ outcome) {
			if _, err := os.Stat(w.dir + "/nowhere"); err == nil {
				t.Error("the directory was made")
			}
		}},
		{"an empty directory where nothing may be created", func(t *testing.T, w *world) outcome {
			w.task.Repository.Create = result.CreateNever
			return w.run(t)
		}, result.Failed, 7, "RepositoryNotInitialized", -1, notCreated},
		{"an empty directory, but the source has been backed up before", func(t *testing.T, w *world) outcome {
			w.task.Repository.SourceHasSynced = true
			return w.run(t)
		}, result.Failed, 7, "RepositoryNotInitialized", -1, notCreated},
		{"a directory with other people's files", func(t *testing.T, w *world) outcome {
			kopiatest.Write(t, w.repo.Dir+"/thesis.txt", "mine")
			return w.run(t)
		}, result.Failed, 7, "RepositoryNotInitialized", -1, notCreated},
	}
}

func notCreated(t *testing.T, w *world, o outcome) {
	t.Helper()
	if found := w.repo.Blobs(t, "kopia.repository"); len(found) > 0 || o.Repository.Created {
		t.Errorf("a repository was created: %v", found)
	}
}

func (w *world) ignoreErrors() {
	w.task.Policy.Inline = append(w.task.Policy.Inline, result.PolicyLayer{
		From: "test", Policy: []byte(`{"errorHandling":{"ignoreFileErrors":true}}`),
	})
}

func (w *world) emptyData(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(w.data); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.data, "lost+found"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// runUnreadable backs up, as nobody, a tree with one file of root's.
func runUnreadable(t *testing.T, w *world) outcome {
	t.Helper()
	secretFile := filepath.Join(w.data, "private.key")
	kopiatest.Write(t, secretFile, "key")
	if err := os.Chmod(secretFile, 0o600); err != nil {
		t.Fatal(err)
	}
	w.readableTree(t)
	return w.runAs(t, nobody)
}

// readableTree lets everybody read what the small tree keeps to root.
func (w *world) readableTree(t *testing.T) {
	t.Helper()
	for _, name := range []string{"nothing in here", "script.sh"} {
		if err := os.Chmod(filepath.Join(w.data, name), 0o755); err != nil {
			t.Fatal(err)
		}
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

func runIdentical(t *testing.T, w *world) outcome {
	t.Helper()
	w.task.Policy.Inline = []result.PolicyLayer{{From: "test", Policy: []byte(`{"retention":{"ignoreIdenticalSnapshots":true}}`)}}
	w.run(t).want(t, result.Succeeded, 0, "")
	return w.run(t)
}

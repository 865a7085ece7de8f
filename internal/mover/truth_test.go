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
	"time"

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
	// Rows about files and about stopping find an empty repository, the others
	// an empty directory.
	seeded := map[string]bool{}
	for _, row := range slices.Concat(fileRows(), stopRows()) {
		seeded[row.name] = true
	}
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, row := range truthRows() {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				if seeded[row.name] {
					w.repo.Seed(t)
				}
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
			})
		}
	})
}

func truthRows() []truthRow {
	return slices.Concat(fileRows(), stopRows(), endingRows(), openingRows())
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
		}, result.Incomplete, 4, "FilesUnreadable", -1, nil},
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
		{"kopia killed by somebody else leaves nothing", runKilledByOthers, result.Failed, 1, "KopiaKilled", 0, nil},
	}
}

func endingRows() []truthRow {
	return []truthRow{
		{"a write that fails at the flush is no snapshot, although kopia prints an id", runFull, result.Failed, 7, "StorageFull", 0, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot != nil {
				t.Errorf("the result claims snapshot %s", o.Snapshot.ID)
			}
		}},
		{"storage that is read-only at the flush", runReadOnly, result.Failed, 7, "StorageReadOnly", 0, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot != nil {
				t.Errorf("the result claims snapshot %s", o.Snapshot.ID)
			}
		}},
		{"nothing changed, with identical snapshots ignored", runIdentical, result.Unchanged, 0, "", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs {
				t.Errorf("snapshot %+v", o.Snapshot)
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
			w.repo.Create(t)
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
	for path, mode := range map[string]os.FileMode{
		secretFile: 0o600, w.data + "/nothing in here": 0o755, w.data + "/script.sh": 0o755,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return w.runAs(t, nobody)
}

// slowData makes files that take kopia long to read and nothing to upload.
func (w *world) slowData(t *testing.T) {
	t.Helper()
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

// smallRepository puts the repository on a file system of its own, of 2 MiB.
func (w *world) smallRepository(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can mount a small file system")
	}
	if err := syscall.Mount("tmpfs", w.repo.Dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("skipped: mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(w.repo.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w.repo.Create(t)
}

// runReadOnly makes the storage read-only before the snapshot is written.
func runReadOnly(t *testing.T, w *world) outcome {
	t.Helper()
	if os.Getenv("VK_KOPIAS") == "" {
		t.Skip("skipped: kopia tries for half a minute; make test-kopia-all runs this on every version")
	}
	w.smallRepository(t)
	w.shim(t, `case "$*" in *"snapshot create"*) mount -o remount,ro "$REPO";; esac`)
	return w.run(t)
}

// runFull backs up more than the repository's file system holds.
func runFull(t *testing.T, w *world) outcome {
	t.Helper()
	w.smallRepository(t)
	random, err := os.ReadFile(w.data + "/sub dir/random.bin")
	if err != nil {
		t.Fatal(err)
	}
	var big strings.Builder
	for i := range 20 {
		fmt.Fprintf(&big, "%d", i)
		for j := range random {
			big.WriteByte(random[j] ^ byte(i*37+j%251))
		}
	}
	kopiatest.Write(t, w.data+"/big.bin", big.String())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return w.runContext(ctx, t)
}

func runIdentical(t *testing.T, w *world) outcome {
	t.Helper()
	w.task.Policy.Inline = []result.PolicyLayer{{From: "test", Policy: []byte(`{"retention":{"ignoreIdenticalSnapshots":true}}`)}}
	w.run(t).want(t, result.Succeeded, 0, "")
	return w.run(t)
}

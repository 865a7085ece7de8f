package mover_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
		for _, row := range slices.Concat(fileRows(), stopRows(), savingRows()) {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				row.cause(t, newWorld(t, kopia))
			})
		}
	})
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
			if o.Snapshot == nil || o.Snapshot.Failed != 1 || o.Snapshot.Proved != result.ProveBlobs || !strings.Contains(o.Message, "private.key") || !strings.Contains(o.Hint, "run as the owner of the data; in a cluster, ") {
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
		{"an unreadable file is no less missed when nothing has changed since", func(t *testing.T, w *world) outcome {
			w.ignoreIdentical()
			runUnreadable(t, w).want(t, result.Incomplete, 4, "FilesUnreadable")
			return w.runAs(t, nobody)
		}, result.Incomplete, 4, "FilesUnreadable", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs {
				t.Errorf("snapshot %+v", o.Snapshot)
			}
		}},
		{"an ignored file is no less missed when nothing has changed since", func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			w.ignoreIdentical()
			runUnreadable(t, w).want(t, result.SucceededWithWarnings, 0, "")
			return w.runAs(t, nobody)
		}, result.SucceededWithWarnings, 0, "", 1, func(t *testing.T, _ *world, o outcome) {
			if !slices.Equal(warned(o.Result), []string{"VK423"}) || o.Snapshot.Ignored != 1 || !strings.Contains(o.Message, "nothing has changed") {
				t.Errorf("warnings %v, snapshot %+v, message %q", o.Warnings, o.Snapshot, o.Message)
			}
		}},
		{"nor when the user is strict", func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			w.ignoreIdentical()
			w.task.Backup.Strict = true
			runUnreadable(t, w).want(t, result.Incomplete, 4, "FilesIgnored")
			return w.runAs(t, nobody)
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

func savingRows() []truthRow {
	return []truthRow{
		{"nothing changed, with identical snapshots ignored", runIdentical, result.Unchanged, 0, "", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs {
				t.Errorf("snapshot %+v", o.Snapshot)
			}
		}},
		{"nothing changed, and something else went wrong", func(t *testing.T, w *world) outcome {
			w.ignoreIdentical()
			w.run(t).want(t, result.Succeeded, 0, "")
			w.task.Backup.Actions = &result.Actions{After: "exit 3", Timeout: result.Duration(time.Minute)}
			return w.run(t)
		}, result.SucceededWithWarnings, 0, "", 1, func(t *testing.T, _ *world, o outcome) {
			if !slices.Equal(warned(o.Result), []string{"VK422"}) || !strings.Contains(o.Message, "nothing has changed") {
				t.Errorf("warnings %v, message %q", o.Warnings, o.Message)
			}
		}},
		{"nothing changed, and the cache is nearly full", func(t *testing.T, w *world) outcome {
			w.task.Repository.CacheCapacityBytes = 1
			return runUnchanged(t, w, result.SucceededWithWarnings)
		}, result.SucceededWithWarnings, 0, "", 1, nil},
		{"kopia fails after it has saved a whole snapshot", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) "$KOPIA" "$@"; echo "broken at the end" >&2; exit 1;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 1, func(t *testing.T, w *world, o outcome) {
			if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Proved != result.ProveBlobs || !strings.Contains(o.Message, "broken at the end") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"kopia fails after it has saved a snapshot that it has not named", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) "$KOPIA" "$@" >/dev/null; echo "unable to apply retention policy: gone" >&2; exit 1;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 1, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot != nil || !strings.Contains(o.Message, "retention policy: gone; the repository may hold it, tagged volsync-kopia-run:run-1") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"kopia fails before it has saved a snapshot", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"snapshot create"*) echo "Snapshotting it ..." >&2; echo "upload error: broken" >&2; exit 1;; esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 0, func(t *testing.T, _ *world, o outcome) {
			if strings.Contains(o.Message, "may hold it") {
				t.Errorf("message %q", o.Message)
			}
		}},
		{"kopia fails after it has printed an id, and the snapshot is not there", func(t *testing.T, w *world) outcome {
			w.shim(t, printsAnID+`esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 0, func(t *testing.T, _ *world, o outcome) {
			if o.Snapshot != nil || !strings.Contains(o.Message, "broken at the end") || !strings.Contains(o.Message, "is not in the repository") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"kopia fails after it has saved a whole snapshot, and the proof cannot be made", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in
*"snapshot create"*) "$KOPIA" "$@"; echo "broken at the end" >&2; exit 1;;
*"snapshot verify"*) echo "the storage does not answer" >&2; exit 1;;
esac`)
			return w.run(t)
		}, result.Failed, 1, "KopiaFailed", 1, func(t *testing.T, _ *world, o outcome) {
			for _, want := range []string{"broken at the end", "the storage does not answer"} {
				if !strings.Contains(o.Message, want) {
					t.Errorf("the message lacks %q: %s", want, o.Message)
				}
			}
			if o.Snapshot != nil || strings.Contains(o.Message, "not in the repository") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		}},
		{"an empty directory that is to be backed up", func(t *testing.T, w *world) outcome {
			w.emptyData(t)
			if err := os.Remove(filepath.Join(w.data, "lost+found")); err != nil {
				t.Fatal(err)
			}
			w.task.Backup.OnEmpty = result.OnEmptySnapshot
			return w.run(t)
		}, result.Succeeded, 0, "", 1, provedWithoutFiles},
		{"an empty volume with its lost+found, likewise", func(t *testing.T, w *world) outcome {
			w.emptyData(t)
			w.task.Backup.OnEmpty = result.OnEmptySnapshot
			return w.run(t)
		}, result.Succeeded, 0, "", 1, provedWithoutFiles},
	}
}

func notCreated(t *testing.T, w *world, o outcome) {
	t.Helper()
	if found := w.repo.Blobs(t, "kopia.repository"); len(found) > 0 || o.Repository.Created {
		t.Errorf("a repository was created: %v", found)
	}
}

// provedWithoutFiles checks that the snapshot is one as any other, and holds nothing.
func provedWithoutFiles(t *testing.T, w *world, o outcome) {
	t.Helper()
	if o.Snapshot == nil || o.Snapshot.ID != w.repo.Snapshots(t)[0].ID || o.Snapshot.Files != 0 || o.Snapshot.Size != 0 || o.Snapshot.Proved != result.ProveBlobs {
		t.Fatalf("snapshot %+v", o.Snapshot)
	}
	kopiatest.Compare(t, w.data, w.repo.Restore(t, o.Snapshot.ID))
}

func (w *world) ignoreErrors() {
	w.task.Policy.Inline = append(w.task.Policy.Inline, result.PolicyLayer{
		From: "test", Policy: []byte(`{"errorHandling":{"ignoreFileErrors":true}}`),
	})
}

// ignoreIdentical lets kopia save nothing when nothing has changed.
func (w *world) ignoreIdentical() {
	w.task.Policy.Inline = append(w.task.Policy.Inline, result.PolicyLayer{
		From: "test", Policy: []byte(`{"retention":{"ignoreIdenticalSnapshots":true}}`),
	})
}

// printsAnID stands in for a kopia that names a snapshot which it does not save.
const printsAnID = `case "$*" in
*"snapshot create"*) echo '{"id":"0123456789abcdef0123456789abcdef","source":{},"rootEntry":{"summ":{"files":1}}}'; echo "broken at the end" >&2; exit 1;;
`

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

func runIdentical(t *testing.T, w *world) outcome {
	t.Helper()
	return runUnchanged(t, w, result.Succeeded)
}

// runUnchanged runs twice; the first run has the outcome.
func runUnchanged(t *testing.T, w *world, first result.Outcome) outcome {
	t.Helper()
	w.ignoreIdentical()
	w.run(t).want(t, first, 0, "")
	return w.run(t)
}

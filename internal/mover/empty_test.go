package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// unknownRow is a run of an empty source of which the task does not know whether
// it held files: what the repository holds decides.
type unknownRow struct {
	// change is made to a world whose source is full and whose repository is empty.
	change func(t *testing.T, w *world)

	outcome result.Outcome
	code    int
	reason  string
	says    string
}

// backedUp backs the source up.
func backedUp(t *testing.T, w *world) {
	t.Helper()
	w.run(t).want(t, result.Succeeded, 0, "")
}

// bare puts an empty directory in the repository's place.
func bare(t *testing.T, w *world) {
	t.Helper()
	if err := os.RemoveAll(w.repo.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.repo.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func unknownRows() map[string]unknownRow {
	return map[string]unknownRow{
		"its newest snapshot holds files": {backedUp, result.Failed, 1, "SourceEmpty", "its last snapshot held files"},
		"its newest snapshot lacks the only file": {func(t *testing.T, w *world) {
			t.Helper()
			w.emptyData(t)
			kopiatest.NeedRoot(t)
			kopiatest.Write(t, w.data+"/private.key", "key")
			chmod(t, w.data+"/private.key", 0o600)
			w.runAs(t, nobody).want(t, result.Incomplete, 4, "FilesUnreadable")
		}, result.Failed, 1, "SourceEmpty", "its last snapshot held files"},
		"an older one holds files, its newest none": {func(t *testing.T, w *world) {
			t.Helper()
			backedUp(t, w)
			w.emptyData(t)
			w.task.Backup.OnEmpty = result.OnEmptySnapshot
			backedUp(t, w)
			w.task.Backup.OnEmpty = result.OnEmptySkip
		}, result.Skipped, 0, "SourceEmpty", "no snapshot was made"},
		"only snapshots of others are there": {func(t *testing.T, w *world) {
			t.Helper()
			backedUp(t, w)
			w.task.Identity.Username = "other"
		}, result.Skipped, 0, "SourceEmpty", "no snapshot was made"},
		"only the directory above it was backed up": {func(t *testing.T, w *world) {
			t.Helper()
			backedUp(t, w)
			w.task.Identity.Path = "/data/below"
		}, result.Skipped, 0, "SourceEmpty", "no snapshot was made"},
		"it was recorded below the mount path": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.data+"/data/file", "x")
			w.task.Backup.SourcePath, w.task.Identity.Path = "/data", "/data/data"
			backedUp(t, w)
		}, result.Failed, 1, "SourceEmpty", "its last snapshot held files"},
		"the repository is empty": {func(*testing.T, *world) {}, result.Skipped, 0, "SourceEmpty", "no snapshot was made"},
		"the password is wrong": {func(t *testing.T, w *world) {
			t.Helper()
			backedUp(t, w)
			w.secret(t, "KOPIA_PASSWORD", "another")
		}, result.Failed, 7, "WrongPassword", "password"},
		"the storage is not there": {func(t *testing.T, w *world) {
			t.Helper()
			if err := os.RemoveAll(w.repo.Dir); err != nil {
				t.Fatal(err)
			}
		}, result.Failed, 7, "StorageMissing", "no such file or directory"},
		"there is no repository yet": {bare, result.Skipped, 0, "SourceEmpty", "there is no repository"},
		"its directory would be made": {func(t *testing.T, w *world) {
			t.Helper()
			bare(t, w)
			if err := os.Remove(filepath.Join(w.secrets, "KOPIA_REPOSITORY")); err != nil {
				t.Fatal(err)
			}
			w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: w.repo.Dir + "/repository", MakeOnEmptyVolume: true}
		}, result.Skipped, 0, "SourceEmpty", "there is no repository"},
		"the repository of earlier runs is gone": {func(t *testing.T, w *world) {
			t.Helper()
			bare(t, w)
			w.task.Repository.SourceHasSynced = true
		}, result.Failed, 7, "RepositoryNotInitialized", "backed up before"},
		"the repository that must be there is not": {func(t *testing.T, w *world) {
			t.Helper()
			bare(t, w)
			w.task.Repository.Create = result.CreateNever
		}, result.Failed, 7, "RepositoryNotInitialized", "--create-repository=never"},
	}
}

// An unmounted volume looks like an empty one. A run that has no history to tell
// them apart asks the repository, and changes nothing there.
func TestEmptySourceOfUnknownHistoryIsJudgedByTheRepository(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, row := range unknownRows() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				row.change(t, w)
				w.emptyData(t)
				// A run that went on would change the policies.
				w.task.Policy.Inline = []result.PolicyLayer{{From: "test", Policy: []byte(`{"retention":{"keepDaily":3}}`)}}
				before := w.below(t)
				o := w.run(t)
				o.want(t, row.outcome, row.code, row.reason)
				if !strings.Contains(o.Message, row.says) || o.Snapshot != nil {
					t.Errorf("message %q, snapshot %+v", o.Message, o.Snapshot)
				}
				sameFiles(t, before, w.below(t))
			})
		}
	})
}

func TestEmptySourceAsksTheRepositoryOnlyForWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, row := range map[string]struct {
		change    func(b *result.BackupTask)
		code      int
		processes int
	}{
		"nothing is known":          {func(*result.BackupTask) {}, 1, 1},
		"it may be empty":           {func(b *result.BackupTask) { b.OnEmpty = result.OnEmptySnapshot }, 0, 3},
		"it must not be":            {func(b *result.BackupTask) { b.OnEmpty = result.OnEmptyFail }, 1, 0},
		"it is known to be empty":   {func(b *result.BackupTask) { b.LastHadFiles = new(false) }, 0, 0},
		"it is known to hold files": {func(b *result.BackupTask) { b.LastHadFiles = new(true) }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			backedUp(t, w)
			w.emptyData(t)
			row.change(w.task.Backup)
			if o := w.run(t); o.ExitCode != row.code || o.KopiaProcesses != row.processes {
				t.Errorf("exit %d, %d kopia processes, want %d and %d\n%s", o.ExitCode, o.KopiaProcesses, row.code, row.processes, o.log)
			}
		})
	}
}

// What a before-action leaves empty is judged in the same way.
func TestSourceThatABeforeActionLeavesEmptyIsJudgedByTheRepository(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, row := range map[string]struct {
		before  bool
		outcome result.Outcome
		code    int
	}{
		"backed up before": {true, result.Failed, 1}, "never backed up": {false, result.Skipped, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			if row.before {
				backedUp(t, w)
			}
			w.emptyData(t)
			w.task.Backup.Actions = &result.Actions{Before: "true", After: "touch '" + w.dir + "/after'"}
			o := w.run(t)
			o.want(t, row.outcome, row.code, "SourceEmpty")
			if _, err := os.Stat(w.dir + "/after"); err != nil {
				t.Errorf("the after-action did not run: %v", err)
			}
		})
	}
}

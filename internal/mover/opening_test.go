package mover_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// openingRow is a place that holds no usable repository, and what a run says
// about it.
type openingRow struct {
	prepare func(t *testing.T, w *world)
	reason  string
	// says is in the message, hint in the hint.
	says, hint string
	// processes is how often kopia is started: never, where it can be seen
	// without it.
	processes int
	// asNobody runs the mover as a user to whom the modes mean something.
	asNobody bool
}

func openingRows() map[string]openingRow {
	rows := directoryRows()
	for name, row := range map[string]openingRow{
		"a wrong password": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.repo.Seed(t)
			w.secret(t, "KOPIA_PASSWORD", "another-"+canary)
		}, reason: "WrongPassword", says: "invalid repository password", hint: "check KOPIA_PASSWORD", processes: 1},
		"a directory that nobody may enter": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.repo.Seed(t)
			chmod(t, w.repo.Dir, 0)
		}, reason: "StoragePermissionDenied", says: "permission denied", hint: "runAsUser", processes: 1, asNobody: true},
		"a directory that may only be listed": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			chmod(t, w.repo.Dir, 0o400)
		}, reason: "StoragePermissionDenied", says: "permission denied", hint: "runAsUser", processes: 1, asNobody: true},
		"a directory that may not be listed": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			chmod(t, w.repo.Dir, 0o300)
		}, reason: "RepositoryNotInitialized", says: "the repository is not created: open ", hint: "--create-repository=always", asNobody: true},
		"a volume that may not be written to": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.repositoryPVC(t)
			chmod(t, w.repo.Dir, 0o555)
		}, reason: "StoragePermissionDenied", says: "the repository is not created: mkdir ", hint: "moverSecurityContext.fsGroup", asNobody: true},
		"a read-only file system": {
			prepare: readOnlyDirectory,
			reason:  "StorageReadOnly", says: "create the repository: ", hint: "mount it read-write", processes: 1,
		},
	} {
		rows[name] = row
	}
	return rows
}

// repositoryPVC has the repository below the root of an empty volume.
func (w *world) repositoryPVC(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(w.secrets, "KOPIA_REPOSITORY")); err != nil {
		t.Fatal(err)
	}
	w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: w.repo.Dir + "/repository", MakeOnEmptyVolume: true}
}

// directoryRows are recognised without a process, but for one.
func directoryRows() map[string]openingRow {
	never := func(w *world) { w.task.Repository.Create = result.CreateNever }
	return map[string]openingRow{
		"a directory that is not there": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.dir+"/nowhere")
		}, reason: "StorageMissing", says: "/nowhere: no such file or directory", hint: "check that the volume is mounted"},
		"a directory that is not there, below a file": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.dir+"/file", "x")
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.dir+"/file/repository")
		}, reason: "StorageMissing", says: "not a directory", hint: "check the path", processes: 1},
		"an empty directory where nothing may be created": {
			prepare: func(_ *testing.T, w *world) { never(w) },
			reason:  "RepositoryNotInitialized", says: "holds no kopia.repository.f", hint: "--create-repository=always",
		},
		"an empty directory, but the source has been backed up before": {
			prepare: func(_ *testing.T, w *world) { w.task.Repository.SourceHasSynced = true },
			reason:  "RepositoryNotInitialized", says: "backed up before", hint: "--create-repository=always",
		},
		"a directory with other people's files": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.repo.Dir+"/2026/thesis.txt", "mine")
		}, reason: "RepositoryNotInitialized", says: "is not empty: it holds ", hint: "check the bucket, prefix or path"},
		"the directory above the repository": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			never(w)
			w.repo.Seed(t)
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.dir)
			elsewhere := t.TempDir()
			kopiatest.Write(t, elsewhere+"/data/x", "x")
			w.task.Backup.Root, w.task.CacheDir, w.task.WorkDir = elsewhere+"/data", elsewhere+"/cache", elsewhere+"/work"
		}, reason: "RepositoryNotInitialized", says: "holds no kopia.repository.f", hint: "/repository holds a repository: name that directory"},
		"a directory that an earlier attempt has left its note in": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			never(w)
			kopiatest.Write(t, w.repo.Dir+"/.shards", `{"default":[3,3],"maxNonShardedLength":20}`)
		}, reason: "RepositoryNotInitialized", says: "kopia says", hint: "--create-repository=always", processes: 1},
	}
}

// A place without a usable repository is named as what it is, and left as it is.
func TestAPlaceWithoutARepository(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, row := range openingRows() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if row.asNobody {
					kopiatest.NeedRoot(t)
				}
				w := newBareWorld(t, kopia)
				row.prepare(t, w)
				before := w.below(t)
				var o outcome
				if row.asNobody {
					w.readableTree(t)
					o = w.runAs(t, nobody)
				} else {
					o = w.run(t)
				}
				o.want(t, result.Failed, 7, row.reason)
				if !strings.Contains(o.Message, row.says) || !strings.Contains(o.Hint, row.hint) {
					t.Errorf("message %q, hint %q; want %q, %q", o.Message, o.Hint, row.says, row.hint)
				}
				if o.KopiaProcesses != row.processes {
					t.Errorf("kopia was started %d times, want %d", o.KopiaProcesses, row.processes)
				}
				if diff := cmp.Diff(before, w.below(t)); diff != "" || o.Repository.Created {
					t.Errorf("something was written: created %v\n%s", o.Repository.Created, diff)
				}
			})
		}
	})
}

// Restores and lists look as a backup does.
func TestReadingWritesNothingWhereNoRepositoryIs(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t, kopiatest.Kopia(t))
	w.task.Restore, w.task.List = &result.RestoreTask{TargetDir: t.TempDir()}, &result.ListTask{}
	for _, operation := range []result.Operation{result.OperationRestore, result.OperationList} {
		w.task.Operation = operation
		before := w.below(t)
		o := w.run(t)
		o.want(t, result.Failed, 7, "RepositoryNotInitialized")
		if diff := cmp.Diff(before, w.below(t)); diff != "" || o.KopiaProcesses > 0 {
			t.Errorf("%s: %d processes, something was written\n%s", operation, o.KopiaProcesses, diff)
		}
	}
}

// below is everything that is there but for what a run may write, which is its
// own directories and its termination message, and what the test runs it with.
// A repository that is made in the wrong place is in it, also an empty directory.
func (w *world) below(t *testing.T) map[string]string {
	t.Helper()
	files := content(t, w.dir)
	for path := range files {
		name, _, _ := strings.Cut(strings.TrimPrefix(path, w.dir+"/"), "/")
		if strings.HasPrefix(name, "program-") || slices.Contains([]string{"cache", "work", "termination", "task.json"}, name) {
			delete(files, path)
		}
	}
	return files
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// readOnlyDirectory puts an empty file system that cannot be written to in the
// repository's place.
func readOnlyDirectory(t *testing.T, w *world) {
	t.Helper()
	kopiatest.NeedRoot(t)
	if err := syscall.Mount("tmpfs", w.repo.Dir, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		kopiatest.Unable(t, "mount a read-only file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(w.repo.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

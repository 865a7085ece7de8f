package acceptance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

func TestCreationOnlyWhereNothingSpeaksAgainstIt(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	cases := map[string]struct {
		prepare func(t *testing.T, w *world)
		code    int
		says    string
		// processes of kopia that it takes to find that out.
		processes int
	}{
		"a directory that holds something else": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, filepath.Join(w.repo.Dir, "holiday.jpg"), "not a repository")
		}, 7, "is not empty", 0},
		"a directory that is missing": {func(t *testing.T, w *world) {
			t.Helper()
			if err := os.Remove(w.repo.Dir); err != nil {
				t.Fatal(err)
			}
		}, 7, "no such file or directory", 0},
		"an empty directory after a first backup": {func(t *testing.T, w *world) {
			t.Helper()
			w.mustBackup(t, w.files(t, "app")...)
			w.repo = kopiatest.NewRepository(t, kopia, filepath.Join(w.dir, "mistyped"), password)
			if err := os.Mkdir(w.repo.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, 7, "backed up before", 0},
		"--create-repository=never": {func(_ *testing.T, w *world) { w.extra = []string{"--create-repository=never"} }, 7, "holds no repository", 0},
		"a wrong password": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.NewRepository(t, kopia, w.repo.Dir, "another password").Create(t)
		}, 7, "password", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.write(t, "x", "x")
			c.prepare(t, w)
			w.calls(t)
			before := blobs(t, w.repo.Dir)
			results, e := w.backup(t, w.files(t, "app")...)
			if e.code != c.code || !strings.Contains(e.stderr, c.says) {
				t.Errorf("exit %d, want %d and %q\n%s", e.code, c.code, c.says, e.stderr)
			}
			if len(results) == 1 && results[0].Repository != nil && results[0].Repository.Created {
				t.Error("the result says that a repository was created")
			}
			// The wrapper's version is asked for, too.
			calls := slices.DeleteFunc(w.calls(t), func(args []string) bool { return slices.Equal(args, []string{"--version"}) })
			if len(calls) != c.processes {
				t.Errorf("%d processes of kopia were started to find that out, want %d: %q", len(calls), c.processes, calls)
			}
			if diff := cmp.Diff(before, blobs(t, w.repo.Dir)); diff != "" {
				t.Errorf("something was written (-before +after):\n%s", diff)
			}
		})
	}
}

// A manifest that was saved from a cluster says in its status that there is a
// repository: an empty directory is then a mistyped one.
func TestNoRepositoryIsMadeForASourceThatHasSynced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	files := []string{
		w.file(t, "app.yaml", source("app", "prod")+"\nstatus: {lastSyncTime: \"2026-01-02T03:04:05Z\"}\n"),
		w.file(t, "secret.yaml", repositorySecret("vault", "prod")),
	}
	if _, e := w.backup(t, files...); e.code != 7 || !strings.Contains(e.stderr, "backed up before") || len(blobs(t, w.repo.Dir)) > 1 {
		t.Fatalf("exit %d, blobs %v\n%s", e.code, blobs(t, w.repo.Dir), e.stderr)
	}
	w.extra = []string{"--create-repository=always"}
	w.mustBackup(t, files...)
}

// blobs lists the files and directories below dir, and dir itself; nothing: it is not
// there.
func blobs(t *testing.T, dir string) []string {
	t.Helper()
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

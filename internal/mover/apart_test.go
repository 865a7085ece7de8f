package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// A repository that is backed up into itself grows with every run.
func TestDirectoriesWithinEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	mkdir := func(t *testing.T, dir string) string {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	repository := func(t *testing.T, w *world, dir string) {
		t.Helper()
		w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+dir)
	}
	restore := func(w *world, dir string) {
		w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: dir}
	}
	rows := map[string]struct {
		change func(t *testing.T, w *world)
		says   string
	}{
		"the repository in the source": {func(t *testing.T, w *world) { repository(t, w, mkdir(t, w.data+"/backups")) }, "the repository ("},
		"the repository is the source": {func(t *testing.T, w *world) { repository(t, w, w.data) }, "the repository ("},
		"the source in the repository": {func(_ *testing.T, w *world) { w.task.Backup.Root = w.repo.Dir; w.task.Backup.SourcePath = "mine" }, "the source ("},
		"the repository, by way of a link": {func(t *testing.T, w *world) {
			mkdir(t, w.data+"/backups")
			if err := os.Symlink(w.data+"/backups", w.dir+"/link"); err != nil {
				t.Fatal(err)
			}
			repository(t, w, w.dir+"/link")
		}, "the repository ("},
		"a cache that is not made yet":  {func(_ *testing.T, w *world) { w.task.CacheDir = w.data + "/.state/cache" }, "the cache ("},
		"the private directory":         {func(_ *testing.T, w *world) { w.task.WorkDir = w.data + "/run/work" }, "the run's private directory ("},
		"a restore into the repository": {func(t *testing.T, w *world) { restore(w, mkdir(t, w.repo.Dir+"/restored")) }, "the target ("},
		"a restore over the repository": {func(_ *testing.T, w *world) { restore(w, w.dir) }, "lies in the target ("},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t, kopia)
			mkdir(t, w.repo.Dir+"/mine/x")
			row.change(t, w)
			before := kopiatest.Entries(t, w.data)
			o := w.run(t)
			o.want(t, result.Refused, 5, "DirectoriesOverlap")
			if !strings.Contains(o.Message, row.says) || o.KopiaProcesses > 0 {
				t.Errorf("message %q, %d processes", o.Message, o.KopiaProcesses)
			}
			if after := kopiatest.Entries(t, w.data); len(after) != len(before) {
				t.Errorf("something was written: %v", after)
			}
		})
	}
	t.Run("a name that begins like another is no part of it", func(t *testing.T) {
		t.Parallel()
		w := newBareWorld(t, kopia)
		repository(t, w, mkdir(t, w.data+"-backups"))
		w.run(t).want(t, result.Succeeded, 0, "")
		if _, err := os.Stat(filepath.Join(w.data+"-backups", "kopia.repository.f")); err != nil {
			t.Error(err)
		}
	})
}

package mover_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// sourcesOf makes worlds of n sources that share the first one's repository,
// each with a cache of its own, as pods have.
func sourcesOf(t *testing.T, kopia string, n int) []*world {
	t.Helper()
	worlds := make([]*world, n)
	for i := range worlds {
		w := newBareWorld(t, kopia)
		w.task.RunID, w.task.Identity.Username = fmt.Sprintf("run-%d", i), fmt.Sprintf("app%d", i)
		if i > 0 {
			w.repo = worlds[0].repo
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.repo.Dir)
		}
		worlds[i] = w
	}
	return worlds
}

// runTogether runs them all at once.
func runTogether(t *testing.T, worlds []*world) []outcome {
	t.Helper()
	ended := make([]outcome, len(worlds))
	var all sync.WaitGroup
	for i, w := range worlds {
		all.Go(func() { ended[i] = w.run(t) })
	}
	all.Wait()
	return ended
}

// Two sources that find no repository make one, not two: the second would
// write over the keys of the first, and nobody could ever open either.
func TestSourcesThatCreateTheirRepositoryTogether(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	rows := map[string]func(w *world){
		"in a directory": func(*world) {},
		"on an empty volume": func(w *world) {
			w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: w.repo.Dir + "/repository", MakeOnEmptyVolume: true}
			if err := os.Remove(filepath.Join(w.secrets, "KOPIA_REPOSITORY")); err != nil {
				t.Error(err)
			}
		},
		"where one must be made": func(w *world) { w.task.Repository.Create = result.CreateAlways },
		"where kopia must tell that there is none": func(w *world) {
			kopiatest.Write(t, w.repo.Dir+"/.shards", `{"default":[3,3],"maxNonShardedLength":20}`)
		},
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worlds := sourcesOf(t, kopia, 3)
			for _, w := range worlds {
				change(w)
				// Both are past their look at the empty directory before either has made anything.
				w.shim(t, `case "$*" in *"repository create"*) sleep 1;; esac`)
			}
			created := 0
			ids := map[string]bool{}
			for _, o := range runTogether(t, worlds) {
				o.want(t, result.Succeeded, 0, "")
				ids[o.Repository.UniqueID] = true
				if o.Repository.Created {
					created++
				}
			}
			if created != 1 || len(ids) != 1 {
				t.Errorf("%d of them created a repository; they used %v", created, ids)
			}
			if name == "on an empty volume" {
				worlds[0].repo.Dir += "/repository"
			}
			if got := worlds[0].repo.Snapshots(t); len(got) != len(worlds) {
				t.Errorf("the repository holds %d snapshots", len(got))
			}
			if left, err := filepath.Glob(worlds[0].repo.Dir + "/.*lock*"); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// A repository that somebody makes in the place of the run's own is noticed:
// what was written under the first one's keys is lost.
func TestARepositoryThatIsReplacedDuringTheRun(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	const replace = `[ -e "$DIR/replaced" ] || { rm -rf "$REPO"/*; cp -r "$DIR"/other/. "$REPO"; : > "$DIR/replaced"; }`
	for name, script := range map[string]string{
		"right after its creation": `*"policy export"*) ` + replace + `;;`,
		"before the proof": `*"snapshot verify"*) "$KOPIA" "$@"; code=$?
rm -f "$DIR"/cache/*/kopia/kopia.repository; cp "$DIR/other/kopia.repository.f" "$DIR/format"
for cache in "$DIR"/cache/*/kopia; do cp "$DIR/format" "$cache/kopia.repository"; done; exit $code;;`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t, kopia)
			other := kopiatest.NewRepository(t, kopia, filepath.Join(w.dir, "other"), canary)
			if err := os.MkdirAll(other.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			other.Create(t)
			w.shim(t, `case "$*" in `+script+`esac`)
			o := w.run(t)
			o.want(t, result.Failed, 7, "RepositoryReplaced")
			if o.Snapshot != nil || !strings.Contains(o.Message, "another repository") {
				t.Errorf("snapshot %+v, message %q", o.Snapshot, o.Message)
			}
		})
	}
}

// The way out that the refusal names: the source was backed up before, its
// repository is gone for good, and its user says that a new one is to be made.
func TestARepositoryIsMadeAnewWhereTheUserSaysSo(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.run(t).want(t, result.Succeeded, 0, "")
		w.repo = kopiatest.NewRepository(t, kopia, filepath.Join(w.dir, "new"), canary)
		if err := os.Mkdir(w.repo.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.repo.Dir)
		w.task.Repository.SourceHasSynced = true

		before := w.below(t)
		o := w.run(t)
		o.want(t, result.Failed, 7, "RepositoryNotInitialized")
		if !strings.Contains(o.Hint, "--create-repository=always") {
			t.Errorf("hint %q", o.Hint)
		}
		sameFiles(t, before, w.below(t))

		w.task.Repository.Create = result.CreateAlways
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if !o.Repository.Created || o.Snapshot.Proved != result.ProveBlobs {
			t.Fatalf("repository %+v, snapshot %+v", o.Repository, o.Snapshot)
		}
		kopiatest.Compare(t, w.data, w.repo.Restore(t, o.Snapshot.ID))
		// It is made once: the flag may stay.
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if n := len(w.repo.Snapshots(t)); o.Repository.Created || n != 2 {
			t.Errorf("repository %+v holds %d snapshots", o.Repository, n)
		}
	})
}

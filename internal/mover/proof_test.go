package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Kopia's caches would hide each of these losses: the proof must see them.
func TestNoBlobMayGoBetweenSnapshotAndProof(t *testing.T) {
	t.Parallel()
	lost := map[string]string{
		"a data blob":                 `find "$REPO" -path "$REPO/p*" -type f -newer "$DIR/mark" -delete`,
		"the metadata blobs":          `find "$REPO" -path "$REPO/q*" -type f -newer "$DIR/mark" -delete`,
		"the index blob":              `find "$REPO" \( -path "$REPO/x*" -o -path "$REPO/n*" \) -type f -newer "$DIR/mark" -delete`,
		"the format blob":             `rm -f "$REPO"/kopia.repository*`,
		"an older data blob it needs": `find "$REPO" -path "$REPO/p*" -type f ! -newer "$DIR/mark" -delete`,
		"an older index blob":         `find "$REPO" -path "$REPO/x*" -type f ! -newer "$DIR/mark" -delete`,
		"an older metadata blob":      `find "$REPO" -path "$REPO/q*" -type f ! -newer "$DIR/mark" -delete`,
	}
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, remove := range lost {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				// A first run fills the caches, as on a cache volume that is kept.
				w.run(t).want(t, result.Succeeded, 0, "")
				kopiatest.Write(t, w.data+"/more.txt", "more data, so that there is a new blob of each kind")
				w.shim(t, `case "$*" in
*"snapshot create"*) touch "$DIR/mark"; sleep 0.05;;
*"snapshot verify"*) `+remove+`;;
esac`)
				o := w.run(t)
				if o.ExitCode == 0 || o.Snapshot != nil || !strings.HasPrefix(o.Message, "prove snapshot") {
					t.Errorf("ended %s, exit %d, snapshot %v, although %s is gone\n%s", o.Outcome, o.ExitCode, o.Snapshot, name, o.log)
				}
			})
		}
	})
}

func TestProofOfContentsReadsEveryFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.Prove = result.ProveContent
	w.run(t).want(t, result.Succeeded, 0, "")
	// The blob is there, and one byte of it is wrong.
	w.shim(t, `case "$*" in *"snapshot verify"*)
for f in $(find "$REPO" -path "$REPO/p*" -type f); do printf X | dd of="$f" bs=1 seek=1000 conv=notrunc 2>/dev/null; done;; esac`)
	if o := w.run(t); o.ExitCode == 0 {
		t.Errorf("a damaged blob was proved\n%s", o.log)
	}
}

func TestProofOfTheManifestFindsItInTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.Prove = result.ProveManifest
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if o.Snapshot.Proved != result.ProveManifest {
		t.Errorf("proved %q", o.Snapshot.Proved)
	}
	w.shim(t, `case "$*" in
*"snapshot create"*) touch "$DIR/mark"; sleep 0.05;;
*"snapshot list"*) find "$REPO" -path "$REPO/q*" -type f -newer "$DIR/mark" -delete;; esac`)
	kopiatest.Write(t, w.data+"/more.txt", "more")
	if o := w.run(t); o.ExitCode == 0 {
		t.Errorf("a lost manifest was proved\n%s", o.log)
	}
}

// The cached format blob is trusted for 15 minutes: a repository that is
// deleted and made anew at the same place would get contents that nobody can
// ever read.
func TestRecreatedRepositoryIsNotWrittenWithTheOldKeys(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newBareWorld(t, kopia)
		first := w.run(t)
		first.want(t, result.Succeeded, 0, "")
		entries, err := os.ReadDir(w.repo.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(w.repo.Dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		again := kopiatest.NewRepository(t, kopia, w.repo.Dir, canary)
		again.Create(t)
		second := w.run(t)
		second.want(t, result.Succeeded, 0, "")
		if first.Repository.UniqueID == second.Repository.UniqueID || !strings.Contains(second.log, "belongs to another repository") {
			t.Errorf("ids %q and %q\n%s", first.Repository.UniqueID, second.Repository.UniqueID, second.log)
		}
		kopiatest.Compare(t, w.data, again.Restore(t, second.Snapshot.ID))
	})
}

func TestTwoRepositoriesMayShareACacheVolume(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	one, two := newBareWorld(t, kopia), newBareWorld(t, kopia)
	two.task.CacheDir = one.task.CacheDir
	one.repo.Create(t)
	two.repo.Create(t)
	for range 2 {
		for _, w := range []*world{one, two} {
			o := w.run(t)
			o.want(t, result.Succeeded, 0, "")
			kopiatest.Compare(t, w.data, w.repo.Restore(t, o.Snapshot.ID))
		}
	}
}

func TestChangedRepositoryInTheSecretIsHonoured(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	w := newWorld(t, kopia)
	w.run(t).want(t, result.Succeeded, 0, "")
	other := kopiatest.NewRepository(t, kopia, w.dir+"/other", canary)
	other.Create(t)
	w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+other.Dir)
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if got := other.Snapshots(t); len(got) != 1 || got[0].ID != o.Snapshot.ID {
		t.Errorf("the other repository holds %v", got)
	}
}

package mover_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// kept returns the cache directory of the world's repository after a run.
func (w *world) kept(t *testing.T) string {
	t.Helper()
	ids, err := filepath.Glob(filepath.Join(w.task.CacheDir, "*", "repository-id"))
	if err != nil || len(ids) != 1 {
		t.Fatalf("the caches with an id are %v, %v", ids, err)
	}
	return filepath.Dir(ids[0])
}

// hold takes the lock of a cache, as another run does.
func hold(t *testing.T, cache string) {
	t.Helper()
	lock := flock.New(cache + ".lock")
	if held, err := lock.TryLock(); err != nil || !held {
		t.Fatalf("hold %s: %v, %v", cache, held, err)
	}
	t.Cleanup(func() {
		if err := lock.Unlock(); err != nil {
			t.Error(err)
		}
	})
}

// names lists what a directory holds.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// WorkDir is on memory, and a cache of a gigabyte there would be the end of the
// mover: a run without the kept cache makes its own on the same volume.
func TestACacheThatCannotBeHadIsReplacedOnItsVolume(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, take := range map[string]func(t *testing.T, kept string){
		"another run uses it": hold,
		"it cannot be locked": func(t *testing.T, kept string) {
			t.Helper()
			if err := os.RemoveAll(kept + ".lock"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(kept+".lock", 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.run(t).want(t, result.Succeeded, 0, "")
			kept := w.kept(t)
			take(t, kept)
			before := names(t, w.task.CacheDir)
			w.task.RunID = "run-2"
			w.shim(t, `for a in "$@"; do case "$a" in --config-file=*) grep -o '"cacheDirectory": *"[^"]*"' "${a#*=}" >> "$DIR/caches";; esac; done`)
			o := w.run(t)
			o.want(t, result.Succeeded, 0, "")
			used, err := os.ReadFile(w.dir + "/caches")
			if err != nil || bytes.Count(used, []byte(`"`+kept+".run-2/")) < 3 || bytes.Contains(used, []byte(w.task.WorkDir)) {
				t.Errorf("kopia's caches were at %v\n%s", err, used)
			}
			if after := names(t, w.task.CacheDir); strings.Join(after, " ") != strings.Join(before, " ") {
				t.Errorf("the cache volume holds %v, before the run %v", after, before)
			}
		})
	}
}

// A mover that was killed leaves its own cache on the volume.
func TestCachesOfDeadRunsAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.run(t).want(t, result.Succeeded, 0, "")
	kept := w.kept(t)
	for _, run := range []string{"dead", "living"} {
		kopiatest.Write(t, kept+"."+run+"/kopia/x", "x")
	}
	kopiatest.Write(t, kept+".dead.lock", "")
	kopiatest.Write(t, w.task.CacheDir+"/another-repository.dead/kopia/x", "x")
	hold(t, kept+".living")
	w.run(t).want(t, result.Succeeded, 0, "")
	key := filepath.Base(kept)
	want := []string{key, key + ".living", key + ".living.lock", key + ".lock", "another-repository.dead"}
	for _, name := range names(t, w.task.CacheDir) {
		if !strings.Contains(" "+strings.Join(want, " ")+" ", " "+name+" ") {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range want {
		if _, err := os.Stat(filepath.Join(w.task.CacheDir, name)); err != nil {
			t.Error(err)
		}
	}
}

// A kept cache may be gigabytes: it goes only when it is what kept the
// repository from being opened.
func TestTheKeptCacheGoesOnlyWhenItIsAtFault(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		shim      string
		outcome   result.Outcome
		reason    string
		processes int
		gone      bool
	}{
		"a failure with a known reason": {
			`*"policy export"*) echo 'error: unable to get index: BLOB not found' >&2; exit 1;;`,
			result.Failed, "BlobMissing", 1, false,
		},
		"a failure that an empty cache does not cure": {
			`*"policy export"*) echo 'the network is down' >&2; exit 1;;`,
			result.Failed, "KopiaFailed", 2, false,
		},
		"a failure that an empty cache cures": {
			`*"policy export"*) if test -e "$MARK"; then echo 'cannot read the cache' >&2; exit 1; fi;;`,
			result.Succeeded, "", 4, true,
		},
	}
	kopia := kopiatest.Kopia(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.run(t).want(t, result.Succeeded, 0, "")
			mark := w.kept(t) + "/kopia/mark"
			kopiatest.Write(t, mark, "x")
			w.shim(t, "MARK='"+mark+"'\ncase \"$*\" in "+row.shim+" esac")
			o := w.run(t)
			o.want(t, row.outcome, o.ExitCode, row.reason)
			if o.KopiaProcesses != row.processes {
				t.Errorf("kopia was started %d times, want %d\n%s", o.KopiaProcesses, row.processes, o.log)
			}
			if _, err := os.Stat(mark); (err != nil) != row.gone {
				t.Errorf("what the cache held: %v, want it gone: %v", err, row.gone)
			}
			if left := names(t, w.task.CacheDir); len(left) != 2 {
				t.Errorf("the cache volume holds %v", left)
			}
		})
	}
}

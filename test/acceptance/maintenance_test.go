package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// maintain runs the maintenances of the files and returns their Results.
func (w *world) maintain(t *testing.T, files ...string) ([]result.Result, ended) {
	t.Helper()
	e := w.run(t, append([]string{"maintenance", "-o", "json"}, w.local(files...)...)...)
	return decodeResults(t, e), e
}

// upkeep is what bare kopia says of the repository's maintenance.
type upkeep struct {
	Owner    string `json:"owner"`
	Schedule struct {
		NextFull time.Time `json:"nextFullMaintenance"`
		Runs     map[string][]struct {
			Start   time.Time `json:"start"`
			Success bool      `json:"success"`
		} `json:"runs"`
	} `json:"schedule"`
}

func (w *world) upkeep(t *testing.T) upkeep {
	t.Helper()
	var u upkeep
	if out := w.repo.Run(t, "maintenance", "info", "--json"); json.Unmarshal([]byte(out), &u) != nil {
		t.Fatalf("maintenance info: %s", out)
	}
	return u
}

// checkUpkeep: the Result says what bare kopia has on record, and each cycle of it is a
// run that was not there before.
func (w *world) checkUpkeep(t *testing.T, before upkeep, r result.Result) {
	t.Helper()
	after := w.upkeep(t)
	if r.Outcome != result.Succeeded || r.Maintenance == nil || len(r.Maintenance.Cycles) == 0 {
		t.Fatalf("%s: %s %s %+v", r.Object, r.Outcome, r.Message, r.Maintenance)
	}
	if after.Owner != "maintenance@volsync" || r.Maintenance.Owner != after.Owner || r.Identity.Username+"@"+r.Identity.Hostname != after.Owner {
		t.Errorf("the owner is %s, the result says %s and %s", after.Owner, r.Maintenance.Owner, r.Identity)
	}
	if next := r.Maintenance.NextFull; next == nil || !next.Equal(after.Schedule.NextFull) {
		t.Errorf("the next full maintenance is due %s, the result says %v", after.Schedule.NextFull, next)
	}
	more := map[string]int{}
	for name, runs := range after.Schedule.Runs {
		if n := len(runs) - len(before.Schedule.Runs[name]); n != 0 {
			more[name] = n
		}
		for _, run := range runs {
			if !run.Success {
				t.Errorf("kopia says that %s failed at %s", name, run.Start)
			}
		}
	}
	said := map[string]int{}
	for _, c := range r.Maintenance.Cycles {
		said[c.Name]++
	}
	if diff := cmp.Diff(more, said); diff != "" || more["snapshot-gc"] == 0 {
		t.Errorf("new on record and said (-kopia +result):\n%s", diff)
	}
}

// checkMaintenance: the maintenance runs with its own cache, which is kept for the next
// one, under hard limits that are shares of its capacity.
func checkMaintenance(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	if e.code != 0 || len(results) != 1 {
		t.Fatalf("exit %d with %d results\n%s%s", e.code, len(results), e.stdout, e.stderr)
	}
	w.checkUpkeep(t, upkeep{}, results[0])
	config := readFile(t, filepath.Join(w.dir, "kopia.config"))
	const content, metadata = 3435000000, 1717000000 // of 8Gi
	checkValues(t, "kopia.config", config, values{
		"caching.contentCacheSizeLimitBytes": content, "caching.metadataCacheSizeLimitBytes": metadata,
		"username": "maintenance", "hostname": "volsync",
	})
	cache, _ := at(decoded(t, "kopia.config", config), "caching.cacheDirectory").(string)
	if !strings.HasPrefix(cache, filepath.Join(w.state, "cache")+"/") || results[0].Cache == nil {
		t.Fatalf("the cache is %s, its use %+v", cache, results[0].Cache)
	}
	if kept, err := os.ReadDir(cache); err != nil || len(kept) == 0 {
		t.Fatalf("the cache was not kept: %v, %v", kept, err)
	}
	before := w.upkeep(t)
	again, e := w.maintain(t, "testdata/41-maintenance.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "live")))
	if e.code != 0 || len(again) != 1 {
		t.Fatalf("again: exit %d\n%s", e.code, e.stderr)
	}
	w.checkUpkeep(t, before, again[0])
	if same, _ := at(decoded(t, "kopia.config", readFile(t, filepath.Join(w.dir, "kopia.config"))), "caching.cacheDirectory").(string); same != cache {
		t.Errorf("the next run has the cache %s, the first %s", same, cache)
	}
}

// TestMaintenanceIsRefusedUnlessItMay: nothing is done, and the exit code says why.
func TestMaintenanceIsRefusedUnlessItMay(t *testing.T) {
	t.Parallel()
	const manifest = "apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\nmetadata: {name: upkeep, namespace: live}\n" +
		"spec: {repository: {repository: vault}}\n"
	for name, c := range map[string]struct {
		owner, password string
		seed            bool
		flags           []string
		code            int
		reason, says    string
	}{
		"somebody else's":    {seed: true, owner: "root@old", code: 5, reason: "NotOwner", says: "--take-ownership"},
		"taken over":         {seed: true, owner: "root@old", flags: []string{"--take-ownership"}},
		"wrong password":     {seed: true, password: "c4n4ry-that-is-wrong", code: 7, reason: "WrongPassword"},
		"no repository":      {code: 7, reason: "RepositoryNotInitialized"},
		"suspended":          {seed: true, code: 5, flags: []string{"-f", "suspended"}, says: "VK516"},
		"suspended, forced":  {seed: true, flags: []string{"-f", "suspended", "--force"}},
		"out of time at all": {seed: true, code: 6, flags: []string{"--timeout=1ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			if c.seed {
				w.repo.Seed(t)
			}
			if c.owner != "" {
				w.repo.Run(t, "maintenance", "set", "--owner="+c.owner)
			}
			before := kopiatest.Entries(t, w.repo.Dir)
			secret := repositorySecret("vault", "live")
			if c.password != "" {
				secret = strings.Replace(secret, password, c.password, 1)
			}
			file := w.file(t, "maintenance.yaml", manifest)
			w.extra = c.flags
			if len(c.flags) > 1 && c.flags[0] == "-f" {
				file = w.file(t, "suspended.yaml", strings.Replace(manifest, "spec: {", "spec: {suspend: true, ", 1))
				w.extra = c.flags[2:]
			}
			results, e := w.maintain(t, file, w.file(t, "secret.yaml", secret))
			if e.code != c.code || len(results) != 1 || c.reason != "" && results[0].Reason != c.reason || !strings.Contains(e.stderr, c.says) {
				t.Errorf("exit %d, want %d %s %q: %+v\n%s", e.code, c.code, c.reason, c.says, results, e.stderr)
			}
			if c.code == 0 {
				w.checkUpkeep(t, upkeep{}, results[0])
				if results[0].Maintenance.PreviousOwner != c.owner {
					t.Errorf("taken over from %q, want %q", results[0].Maintenance.PreviousOwner, c.owner)
				}
			} else if c.code != 6 { // which may have begun
				if diff := cmp.Diff(before, kopiatest.Entries(t, w.repo.Dir)); diff != "" {
					t.Errorf("a refused run has changed the repository (-before +after):\n%s", diff)
				}
			}
		})
	}
}

// TestMaintenancesOfOneRepositoryRunOneAfterTheOther, also when several may run at a time.
func TestMaintenancesOfOneRepositoryRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	var manifests []string
	for _, name := range []string{"one", "two", "three"} {
		manifests = append(manifests, w.file(t, name+".yaml", "apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\n"+
			"metadata: {name: "+name+", namespace: live}\nspec: {repository: {repository: vault}}\n"))
	}
	w.extra = []string{"--max-parallel=3"}
	results, e := w.maintain(t, append(manifests, w.file(t, "secret.yaml", repositorySecret("vault", "live")))...)
	if e.code != 0 || len(results) != 3 {
		t.Fatalf("exit %d with %d results\n%s", e.code, len(results), e.stderr)
	}
	for _, r := range results {
		for _, other := range results {
			if r.RunID != other.RunID && r.StartTime.Before(other.EndTime) && other.StartTime.Before(r.EndTime) {
				t.Errorf("%s and %s ran at the same time", r.Object, other.Object)
			}
		}
	}
}

// TestAMaintenanceEndsWithItsTime: kopia is stopped in its work, and what sets the limit is told.
func TestAMaintenanceEndsWithItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	w.program(t, "kopia-with-notes", `case " $* " in *" maintenance run "*) touch '`+w.dir+`/began'; exec sleep 60;; esac
exec '`+w.kopia+`' "$@"`)
	w.extra = []string{"--timeout=5s"}
	began := time.Now()
	results, e := w.maintain(t, "testdata/41-maintenance.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "live")))
	if e.code != 6 || len(results) != 1 || results[0].Outcome != result.TimedOut || !strings.Contains(e.stderr, "fix: --timeout sets the limit") {
		t.Errorf("exit %d: %+v\n%s", e.code, results, e.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "began")); err != nil {
		t.Errorf("kopia was not at work: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestARepositoryIsMaintainedOnceAtATime, whatever objects, Secrets and commands name it.
func TestARepositoryIsMaintainedOnceAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	first, e := w.maintain(t, "testdata/41-maintenance.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "live")))
	if e.code != 0 || len(first) != 1 || first[0].Repository == nil {
		t.Fatalf("exit %d: %+v\n%s", e.code, first, e.stderr)
	}
	lock := flock.New(filepath.Join(w.state, "maintenance", first[0].Repository.UniqueID+".lock"))
	if free, err := lock.TryLock(); err != nil || !free {
		t.Fatalf("the lock is there and held after the run: %v, %v", free, err)
	}
	other := w.file(t, "other.yaml", "apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\n"+
		"metadata: {name: other, namespace: test}\nspec: {repository: {repository: another}}\n")
	secret := w.file(t, "another.yaml", repositorySecret("another", "test"))
	before := kopiatest.Entries(t, w.repo.Dir)
	results, e := w.maintain(t, other, secret)
	if e.code != 5 || len(results) != 1 || results[0].Reason != "MaintenanceUnderWay" || !strings.Contains(e.stderr, "another maintenance of this repository is under way") {
		t.Errorf("exit %d: %+v\n%s", e.code, results, e.stderr)
	}
	if diff := cmp.Diff(before, kopiatest.Entries(t, w.repo.Dir)); diff != "" {
		t.Errorf("a refused run has changed the repository (-before +after):\n%s", diff)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if results, e = w.maintain(t, other, secret); e.code != 0 {
		t.Errorf("after the end of the other: exit %d: %+v\n%s", e.code, results, e.stderr)
	}
}

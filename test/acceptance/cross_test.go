package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// source is a manifest with the given lines below spec.kopia, each indented by
// four spaces.
func source(name, namespace string, lines ...string) string {
	const below = "\n    "
	return "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: " + name + ", namespace: " + namespace +
		"}\nspec:\n  sourcePVC: data\n  kopia:" + below + strings.Join(append([]string{"repository: vault"}, lines...), below) + "\n"
}

// files writes a source and its Secret.
func (w *world) files(t *testing.T, name string, lines ...string) []string {
	t.Helper()
	return []string{
		w.file(t, name+".yaml", source(name, "prod", lines...)),
		w.file(t, "secret.yaml", repositorySecret("vault", "prod")),
	}
}

// export returns the raw policy of each target, as kopia prints it.
func (w *world) export(t *testing.T) map[string]string {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(w.repo.Run(t, "policy", "export")), &raw); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for target, p := range raw {
		all[target] = string(p)
	}
	return all
}

func TestARuleRemovedFromTheManifestIsGoneFromTheRepository(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.write(t, "x.log", "x")
		w.repo.Seed(t)
		w.repo.Run(t, "policy", "set", "other@tenant:/data", "--keep-daily=77", "--compression=pgzip", "--add-ignore=theirs")
		w.repo.Run(t, "policy", "set", "app@prod:/data", "--before-snapshot-root-action=/bin/true")
		w.repo.Run(t, "policy", "set", "--global", "--keep-monthly=11", "--add-ignore=everybodys")
		before := w.export(t)

		_, e := w.backup(t, w.files(t, "app", "retain: {daily: 3}", "compression: zstd", "additionalArgs: ['--ignore=*.log']")...)
		if e.code != 0 || !strings.Contains(e.stderr, "files.ignore: - -> set (the repository's global policy, spec.kopia.additionalArgs[0])") {
			t.Fatalf("exit %d; the rule that the source begins with must be told of:\n%s", e.code, e.stderr)
		}
		const target = "app@prod:/data"
		w.checkPolicy(t, target, values{"retention.keepDaily": 3, "compression.compressorName": "zstd", "files.ignore": []string{"everybodys", "*.log"}})
		w.mustBackup(t, w.files(t, "app")...)
		w.checkPolicy(t, target, values{
			"retention.keepDaily": 7, "retention.keepMonthly": 11, "compression.compressorName": "none", "files.ignore": []string{"everybodys"},
			"actions.beforeSnapshotRoot.path": "/bin/true",
		})

		after := w.export(t)
		for _, other := range []string{"other@tenant:/data", "(global)"} {
			if diff := cmp.Diff(before[other], after[other]); diff != "" {
				t.Errorf("%s is not what it was:\n%s", other, diff)
			}
		}
	})
}

func TestGlobalValuesThatTheFileDoesNotNameStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	w.repo.Seed(t)
	w.repo.Run(t, "policy", "set", "--global", "--keep-monthly=11", "--max-file-size=123456789")
	before := w.export(t)["(global)"]
	files := append(w.files(t, "app", "policyConfig: {configMapName: rules}"),
		w.file(t, "rules.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rules, namespace: prod}\ndata:\n  global-policy.json: '{\"retention\":{\"keepDaily\":5}}'\n"))
	w.mustBackup(t, files...)
	want := strings.Replace(before, `"keepDaily":7`, `"keepDaily":5`, 1)
	if diff := cmp.Diff(want, w.export(t)["(global)"]); diff != "" {
		t.Errorf("more than keepDaily has changed:\n%s", diff)
	}
}

func TestProcessesOfARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	count := func(want int, files []string) {
		t.Helper()
		results := w.mustBackup(t, files...)
		if calls := w.calls(t); len(calls) != want {
			t.Errorf("%d processes, want %d: %q", len(calls), want, calls)
		}
		if results[0].KopiaProcesses != want {
			t.Errorf("the result says %d processes, want %d", results[0].KopiaProcesses, want)
		}
	}
	w.mustBackup(t, w.files(t, "app", "retain: {daily: 3}")...)
	// The wrapper that keeps notes has no build information, so it is asked
	// for its version, once; kopia itself is not.
	first := slices.DeleteFunc(w.calls(t), func(c []string) bool { return slices.Equal(c, []string{"--version"}) })
	if len(first) != 5 {
		t.Errorf("%d processes at the first run, want 5: %q", len(first), first)
	}
	count(3, w.files(t, "app", "retain: {daily: 3}"))
	count(4, w.files(t, "app", "retain: {daily: 4}"))
	count(3, w.files(t, "app", "retain: {daily: 4}"))

	// The maintenance schedule of a repository that is there is a process, once.
	hours := func(n int) []string {
		return w.files(t, "app", "retain: {daily: 4}", fmt.Sprintf(`policyConfig: {repositoryConfig: '{"maintenance": {"fullCycle": {"interval": "%dh"}}}'}`, n))
	}
	for _, n := range []int{31, 32} {
		count(4, hours(n))
		count(3, hours(n))
		checkValues(t, "maintenance", w.repo.Run(t, "maintenance", "info", "--json"), values{"full.interval": int64(time.Duration(n) * time.Hour)})
	}
}

func TestOneCacheVolumeServesTwoRepositories(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.write(t, "x", "x")
		first, second := w.repo, kopiatest.NewRepository(t, kopia, filepath.Join(w.dir, "second"), password)
		if err := os.Mkdir(second.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.mustBackup(t, w.files(t, "app")...)
		// The Secret's repository changes: it is honoured at once.
		w.repo = second
		w.mustBackup(t, w.files(t, "other")...)
		w.repo = first
		w.mustBackup(t, w.files(t, "app")...)
		for r, want := range map[*kopiatest.Repository]int{first: 2, second: 1} {
			snapshots := r.Snapshots(t)
			if len(snapshots) != want {
				t.Errorf("%s holds %d snapshots, want %d", r.Dir, len(snapshots), want)
			}
			for _, s := range snapshots {
				kopiatest.Compare(t, w.volume, r.Restore(t, s.ID))
			}
		}
	})
}

func TestARepositoryMadeAnewAtTheSamePlaceStaysReadable(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.write(t, "x", "x")
		w.mustBackup(t, w.files(t, "app")...)
		if err := os.RemoveAll(w.repo.Dir); err != nil {
			t.Fatal(err)
		}
		fresh := kopiatest.NewRepository(t, kopia, w.repo.Dir, password)
		fresh.Create(t)
		w.repo = fresh
		results := w.mustBackup(t, w.files(t, "app")...)
		kopiatest.Compare(t, w.volume, fresh.Restore(t, results[0].Snapshot.ID))
	})
}

func TestTheRepositoryOfTheSecretIsHonouredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	manifest := w.file(t, "app.yaml", source("app", "prod"))
	for _, name := range []string{"one", "two"} {
		dir := filepath.Join(w.dir, name)
		kopiatest.NewRepository(t, w.kopia, dir, password).Create(t)
		secret := w.file(t, "secret.yaml", strings.Replace(repositorySecret("vault", "prod"), "/kopia/repository", dir, 1))
		e := w.run(t, "backup", "-o", "json", "--local", "--source-dir", w.volume, "--state-dir", w.state, "--kopia", w.kopia, "-f", manifest, "-f", secret)
		if e.code != 0 {
			t.Fatalf("exit %d\n%s", e.code, e.stderr)
		}
		if n := len(kopiatest.NewRepository(t, w.kopia, dir, password).Snapshots(t)); n != 1 {
			t.Errorf("%s holds %d snapshots, want 1", name, n)
		}
	}
}

func TestASourcePathMustNotLeaveTheVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "real/x", "x")
	if err := os.Symlink("/etc", filepath.Join(w.volume, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		code int
		says string
	}{
		"real/../../etc": {3, "VK124"},
		"link":           {5, "symbolic link"},
		"link/ssl":       {5, "symbolic link"},
		"absent":         {5, `holds: link, real`},
		"real/x":         {5, "not a directory"},
	} {
		results, e := w.backup(t, w.files(t, "app", "sourcePath: "+path)...)
		if e.code != want.code || !strings.Contains(e.stderr, want.says) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", path, e.code, want.code, want.says, e.stderr)
		}
		if len(results) == 1 && results[0].Outcome != result.Refused {
			t.Errorf("%s: outcome %s", path, results[0].Outcome)
		}
	}
	if left := blobs(t, w.repo.Dir); len(left) != 1 { // the empty directory
		t.Errorf("something was written: %v", left)
	}
}

func TestAnyArgumentArrivesWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	arguments := []string{"--tags=env:STAGING", "--description=a |VOLSYNC_ARG_SEP| \"b\" 'c' $d `e`\nV O L S Y N C _ A R G E P"}
	data, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	w.mustBackup(t, w.files(t, "app", "additionalArgs: "+string(data))...)
	checkArguments(t, called(t, w.calls(t), "snapshot", "create"), arguments, nil)
	if tags := w.repo.Snapshots(t)[0].Tags; tags["tag:env"] != "STAGING" {
		t.Errorf("tags %v", tags)
	}
}

func TestSourcesOfOneRepositoryRunSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	var files []string
	for _, name := range []string{"one", "two", "three", "four"} {
		files = append(files, w.files(t, name)...)
	}
	args := append([]string{"backup", "-o", "json", "--source-dir", w.volume, "--max-parallel", "4"}, w.local(files...)...)
	// The repository is not there yet: the first of them makes it.
	for round := range 2 {
		e := w.run(t, args...)
		created := 0
		for _, r := range decodeResults(t, e) {
			if r.Outcome != result.Succeeded {
				t.Errorf("%s: %s: %s", r.Object, r.Outcome, r.Message)
			}
			if r.Repository != nil && r.Repository.Created {
				created++
			}
		}
		if created != 1-round {
			t.Errorf("round %d: %d of them created the repository", round, created)
		}
		if e.code != 0 {
			t.Fatalf("exit %d\n%s", e.code, e.stderr)
		}
		if !strings.Contains(e.stderr, "ReplicationSource prod/three: ") {
			t.Errorf("the log does not name its source:\n%s", e.stderr)
		}
	}
	if n := len(w.repo.Snapshots(t)); n != 8 {
		t.Errorf("%d snapshots, want 8", n)
	}
}

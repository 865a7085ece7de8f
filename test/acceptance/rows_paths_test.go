package acceptance

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// recordedAs checks the recorded identity and that the content is the
// directory's.
func recordedAs(identity, dir string) func(*testing.T, *world, []result.Result, ended) {
	return succeeded(func(t *testing.T, w *world, results []result.Result) {
		t.Helper()
		w.checkRecorded(t, identity)
		w.checkContent(t, results[0], dir)
	})
}

// checkMinimal: a first run, and a plan for a cluster that says how it copies.
func checkMinimal(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	recordedAs("photos@home:/data", ".")(t, w, results, e)
	if !results[0].Repository.Created {
		t.Error("the result does not say that the repository was created")
	}
	snapshots := "snapshotAPI: true\nsnapshotClasses: [{name: snap, driver: csi.example, deletionPolicy: Delete, default: true}]\n"
	for facts, copied := range map[string]string{"": "Copy       Direct (", snapshots: "Copy       Snapshot: class snap"} {
		plan := w.run(t, "plan", "-f", filepath.Join("testdata", "01-minimal.yaml"), "--mover-image", "registry.example/mover:1",
			"--facts", w.file(t, "facts.yaml", clusterFacts("home", "photos")+facts))
		if plan.code != 0 || !strings.Contains(plan.stdout, copied) {
			t.Errorf("exit %d, want %q\n%s%s", plan.code, copied, plan.stdout, plan.stderr)
		}
	}
}

// pathRows are the manifests about where data is read and how it is recorded.
func pathRows() []row {
	return []row{
		{file: "01-minimal.yaml", fresh: true, check: checkMinimal},
		{
			file: "02-source-path-database.yaml", files: []string{"var/lib/mariadb/ibdata", "elsewhere"},
			check: recordedAs("orders-db@shop:/data/var/lib/mariadb", "var/lib/mariadb"),
		},
		{
			file: "03-source-path-config.yaml", files: []string{"etc/proxy/proxy.cfg", "elsewhere"},
			check: recordedAs("proxy-config@edge:/data/etc/proxy", "etc/proxy"),
		},
		{file: "04-override.yaml", check: succeeded(func(t *testing.T, w *world, results []result.Result) {
			t.Helper()
			w.checkRecorded(t, "wiki-copy@docs:/srv/wiki")
			w.checkContent(t, results[0], ".")
			w.checkPolicy(t, "wiki-copy@docs:/srv/wiki", values{"retention.keepDaily": 3})
		})},
		{
			file: "05-path-and-override.yaml", files: []string{"staging/wiki/page", "other"},
			check: recordedAs("wiki-staging@docs:/srv/wiki", "staging/wiki"),
		},
		{
			file: "06-two-environments.yaml", files: []string{"test/shop/t", "live/shop/l"},
			check: succeeded(func(t *testing.T, w *world, results []result.Result) {
				t.Helper()
				w.checkRecorded(t, "shop-test@testing:/shop", "shop-live@live:/shop")
				w.checkContent(t, results[0], "test/shop")
				w.checkContent(t, results[1], "live/shop")
			}),
		},
		{
			file: "07-mount-path.yaml", findings: []string{"warning VK125"}, warned: []string{"VK420"}, files: []string{"ledger/2026"},
			check: func(t *testing.T, w *world, results []result.Result, e ended) {
				t.Helper()
				recordedAs("ledger@books:/data/ledger", "ledger")(t, w, results, e)
				w.checkReadAgain(t, results[0], "testdata/07-mount-path.yaml")
			},
		},
		{file: "08-override-fragment.yaml", check: succeeded(func(t *testing.T, w *world, results []result.Result) {
			t.Helper()
			const override = "ledger@books:/opt/ledger"
			w.checkRecorded(t, override)
			w.checkContent(t, results[0], ".")
			w.checkPolicy(t, override, values{"retention.keepWeekly": 6})
			w.checkPolicy(t, "ledger@books:/data", values{"retention.keepWeekly": kept{4}})
		})},
		{
			file: "09-both-fragment.yaml", files: []string{"incoming/ledger/x", "y"},
			check: recordedAs("ledger@books:/opt/ledger", "incoming/ledger"),
		},
		{
			file: "10-two-sources.yaml", files: []string{"mail/store/a", "mail/index/b"},
			prepare: moreSnapshotsThanAreKept, check: succeeded(checkOwnRetention),
		},
	}
}

// checkReadAgain restores and lists with nothing but the manifest, as whoever
// has lost the volume: the run's snapshot must be what is found.
func (w *world) checkReadAgain(t *testing.T, r result.Result, manifest string) {
	t.Helper()
	files := append([]string{manifest}, missingSecrets(t, w, manifest)...)
	target := filepath.Join(w.dir, "read-again")
	e := w.run(t, append([]string{"restore", "--target-dir", target, "-o", "json"}, w.local(files...)...)...)
	restored := decodeResults(t, e)
	if e.code != 0 || len(restored) != 1 || restored[0].Snapshot == nil || restored[0].Snapshot.ID != r.Snapshot.ID {
		t.Fatalf("restore: exit %d, %+v\n%s", e.code, restored, e.stderr)
	}
	kopiatest.Compare(t, w.repo.Restore(t, r.Snapshot.ID), target)
	e = w.run(t, append([]string{"snapshots", "list"}, w.local(files...)...)...)
	if e.code != 0 || !strings.Contains(e.stdout, r.Snapshot.ID) {
		t.Errorf("snapshots list: exit %d\n%s%s", e.code, e.stdout, e.stderr)
	}
}

// The identities of 10-two-sources.yaml.
const store, index = "mail-store-keeper@office:/data/mail/store", "mail-index-keeper@office:/index"

// moreSnapshotsThanAreKept makes snapshots that another client left behind.
func moreSnapshotsThanAreKept(t *testing.T, w *world) {
	t.Helper()
	for identity, dir := range map[string]string{store: "mail/store", index: "mail/index"} {
		for range 3 {
			w.repo.Run(t, "snapshot", "create", filepath.Join(w.volume, dir), "--override-source="+identity)
		}
	}
	w.checkRecorded(t, store, index)
}

// checkOwnRetention backs up once more: each source keeps as many as it says,
// also the one with a sourcePathOverride, and already at the first run.
func checkOwnRetention(t *testing.T, w *world, _ []result.Result) {
	t.Helper()
	count := func(want map[string]int) {
		t.Helper()
		got := map[string]int{}
		for _, s := range w.checkRecorded(t, store, index) {
			got[s.Identity().String()]++
		}
		for id, n := range want {
			if got[id] != n {
				t.Errorf("%s has %d snapshots, want %d", id, got[id], n)
			}
		}
	}
	count(map[string]int{store: 1, index: 2})
	files := []string{"testdata/10-two-sources.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "office"))}
	w.checkPolicy(t, store, values{"retention.keepLatest": 1, "retention.keepAnnual": 0})
	w.checkPolicy(t, index, values{"retention.keepLatest": 2})
	w.write(t, "mail/store/new", "s")
	w.write(t, "mail/index/new", "i")
	w.mustBackup(t, files...)
	count(map[string]int{store: 1, index: 2})
}

// triggerRows are the manifests about when a backup runs.
func triggerRows() []row {
	return []row{
		{file: "11-schedule.yaml", check: func(t *testing.T, w *world, results []result.Result, e ended) {
			t.Helper()
			recordedAs("nightly@home:/data", ".")(t, w, results, e)
			checkSchedule(t, w, "11-schedule.yaml")
		}},
		{file: "12-manual.yaml", check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			again, e := w.backup(t, "testdata/12-manual.yaml", w.file(t, "secret.yaml", repositorySecret("kopia-config", "home")))
			if e.code != 0 || len(again) != 1 || again[0].Outcome != result.Skipped {
				t.Errorf("the same tag again: exit %d, %+v", e.code, again)
			}
		})},
		{file: "41-maintenance.yaml", maintenance: true, check: checkMaintenance},
	}
}

// checkSchedule: the schedule is read as the one for 4:40 on the days of work.
// What is none is refused, so that it was judged.
func checkSchedule(t *testing.T, w *world, file string) {
	t.Helper()
	manifest := filepath.Join("testdata", file)
	text := readFile(t, manifest)
	set, problems := spec.Parse([]spec.Input{{Name: manifest, Data: []byte(text)}}, spec.Options{})
	if problems.HasErrors() || len(set.Sources()) != 1 || set.Sources()[0].Source.Spec.Trigger == nil || set.Sources()[0].Source.Spec.Trigger.Schedule == nil {
		t.Fatalf("no schedule was read: %+v", problems)
	}
	saturday := time.Date(2026, time.January, 3, 5, 0, 0, 0, time.UTC)
	monday := time.Date(2026, time.January, 5, 4, 40, 0, 0, time.UTC)
	if next := status.NextRun(*set.Sources()[0].Source.Spec.Trigger.Schedule, saturday); next == nil || !next.Equal(monday) {
		t.Errorf("after %s the next run is at %v, want %s", saturday, next, monday)
	}
	checkScheduleObjects(t, w, manifest)
	e := w.run(t, "validate", "-f", w.file(t, "no-such-hour.yaml", strings.Replace(text, "40 4 ", "40 24 ", 1)))
	if e.code != 3 || !strings.Contains(e.stdout, "VK134") {
		t.Errorf("a schedule for the 24th hour: exit %d, want 3 and VK134\n%s", e.code, e.stdout)
	}
}

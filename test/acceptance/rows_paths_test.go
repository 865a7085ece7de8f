package acceptance

import (
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
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

// pathRows are the manifests about where data is read and how it is recorded.
func pathRows() []row {
	return []row{
		{file: "01-minimal.yaml", fresh: true, check: recordedAs("photos@home:/data", ".")},
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
			file: "07-mount-path.yaml", findings: []string{"warning VK125"}, files: []string{"ledger/2026"},
			check: succeeded(func(t *testing.T, w *world, results []result.Result) {
				t.Helper()
				w.checkRecorded(t, "ledger@books:/data/ledger")
				w.checkContent(t, results[0], "ledger")
				if results[0].Outcome != result.SucceededWithWarnings {
					t.Errorf("outcome %s", results[0].Outcome)
				}
			}),
		},
		{file: "08-override-fragment.yaml", check: recordedAs("ledger@books:/opt/ledger", ".")},
		{
			file: "09-both-fragment.yaml", files: []string{"incoming/ledger/x", "y"},
			check: recordedAs("ledger@books:/opt/ledger", "incoming/ledger"),
		},
		{file: "10-two-sources.yaml", files: []string{"mail/store/a", "mail/index/b"}, check: succeeded(checkOwnRetention)},
	}
}

// checkOwnRetention backs up twice more: each source keeps as many as it says,
// also the one with a sourcePathOverride, and from the first run on.
func checkOwnRetention(t *testing.T, w *world, _ []result.Result) {
	t.Helper()
	const store, index = "mail-store-keeper@office:/data/mail/store", "mail-index-keeper@office:/index"
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
	files := []string{"testdata/10-two-sources.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "office"))}
	w.checkPolicy(t, store, values{"retention.keepLatest": 1, "retention.keepAnnual": 0})
	w.checkPolicy(t, index, values{"retention.keepLatest": 2})
	for i, want := range []map[string]int{{store: 1, index: 2}, {store: 1, index: 2}} {
		w.write(t, "mail/store/new", strings.Repeat("s", i+1))
		w.write(t, "mail/index/new", strings.Repeat("i", i+1))
		w.mustBackup(t, files...)
		count(want)
	}
}

// triggerRows are the manifests about when a backup runs.
func triggerRows() []row {
	return []row{
		{file: "11-schedule.yaml", check: recordedAs("nightly@home:/data", ".")},
		{file: "12-manual.yaml", check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			again, e := w.backup(t, "testdata/12-manual.yaml", w.file(t, "secret.yaml", repositorySecret("kopia-config", "home")))
			if e.code != 0 || len(again) != 1 || again[0].Outcome != result.Skipped {
				t.Errorf("the same tag again: exit %d, %+v", e.code, again)
			}
		})},
		{file: "41-maintenance.yaml", notRun: "maintenance is not built yet; the manifest is judged"},
	}
}

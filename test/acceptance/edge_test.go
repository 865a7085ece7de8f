package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestTheAfterActionRunsAlsoWhenTheSnapshotFails makes each part of a backup fail
// that comes after the before-action.
func TestTheAfterActionRunsAlsoWhenTheSnapshotFails(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]string{
		"kopia fails":        "exit 1",
		"kopia is killed":    "kill -9 $$",
		"kopia says rubbish": "echo '{\"id\": 7'; exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			w.repo.Seed(t)
			w.write(t, "x", "x")
			w.program(t, "kopia-with-notes", fmt.Sprintf("case \"$1 $2\" in 'snapshot create') %s;; esac\nexec '%s' \"$@\"", failing, w.kopia))
			w.extra = []string{"--run-actions"}
			results, e := w.backup(t, w.files(t, "app", "actions: {beforeSnapshot: touch stopped, afterSnapshot: rm stopped && echo started-again}")...)
			if e.code != 1 || len(results) != 1 || results[0].Outcome != result.Failed || results[0].Snapshot != nil {
				t.Errorf("exit %d, results %+v", e.code, results)
			}
			if !strings.Contains(e.stderr, "started-again") {
				t.Errorf("the after-action did not run:\n%s", e.stderr)
			}
			if _, err := os.Stat(filepath.Join(w.volume, "stopped")); !os.IsNotExist(err) {
				t.Errorf("what the before-action did is not undone: %v", err)
			}
		})
	}
}

// TestAnIgnoreArgumentJoinsTheListOfTheFile: in kopia a source's own list takes the
// place of the global one, so that the argument alone would drop the file's rules.
func TestAnIgnoreArgumentJoinsTheListOfTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	for _, name := range []string{"keep", "a.bak", "b.log"} {
		w.write(t, name, name)
	}
	rules := w.file(t, "rules.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rules, namespace: prod}\n"+
		"data:\n  global-policy.json: '{\"files\":{\"ignore\":[\"*.bak\"]}}'\n")
	results := w.mustBackup(t, append(w.files(t, "app", "policyConfig: {configMapName: rules}", "additionalArgs: ['--ignore=*.log']"), rules)...)
	if results[0].Snapshot.Files != 1 {
		t.Errorf("%d files in the snapshot, want the one that no rule ignores", results[0].Snapshot.Files)
	}
	w.checkPolicy(t, "app@prod:/data", values{"files.ignore": []string{"*.bak", "*.log"}})
	w.checkPolicy(t, "", values{"files.ignore": []string{"*.bak"}})
}

// TestWhatIsRefusedChangesNoPolicy: a run that ends before its snapshot has not
// written the policies of the manifest, either.
func TestWhatIsRefusedChangesNoPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	w.write(t, "real/x", "x")
	if err := os.Symlink("real", filepath.Join(w.volume, "link")); err != nil {
		t.Fatal(err)
	}
	before, exported := blobs(t, w.repo.Dir), w.export(t)
	for path, code := range map[string]int{"absent": 5, "link": 5, "../volume/real": 3} {
		_, e := w.backup(t, w.files(t, "app", "sourcePath: "+path, "retain: {daily: 2}", "compression: zstd")...)
		if e.code != code {
			t.Errorf("%s: exit %d, want %d\n%s", path, e.code, code, e.stderr)
		}
	}
	_, e := w.backup(t, w.files(t, "app", "retain: {daily: 2}", "additionalArgs: [--password=x]")...)
	if e.code != 3 {
		t.Errorf("a forbidden argument: exit %d, want 3\n%s", e.code, e.stderr)
	}
	if diff := cmp.Diff(exported, w.export(t)); diff != "" {
		t.Errorf("policies were written:\n%s", diff)
	}
	if diff := cmp.Diff(before, blobs(t, w.repo.Dir)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

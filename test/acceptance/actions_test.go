package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// checkActions wants both texts in the log, the snapshot between them.
func checkActions(before, after string) func(*testing.T, *world, []result.Result, ended) {
	return func(t *testing.T, w *world, results []result.Result, e ended) {
		t.Helper()
		succeeded(func(*testing.T, *world, []result.Result) {})(t, w, results, e)
		b, s, a := strings.Index(e.stderr, before), strings.Index(e.stderr, "Kopia printed snapshot"), strings.Index(e.stderr, after)
		if b < 0 || s < b || a < s {
			t.Errorf("before at %d, snapshot at %d, after at %d:\n%s", b, s, a, e.stderr)
		}
	}
}

// checkKopiaRunsNoActions: also with enableActions the actions of this product
// are run by itself; what stands in the repository's policies must not run in
// the mover.
func checkKopiaRunsNoActions(t *testing.T, w *world) {
	t.Helper()
	config := decoded(t, "kopia.config", readFile(t, filepath.Join(w.dir, "kopia.config")))
	if at(config, "enableActions") == true {
		t.Error("the mover's kopia would run the actions of the repository's policies")
	}
}

// checkActionsOff: the before-action of the manifest, which leaves a file, did
// not run although --run-actions was given, and the log says why.
func checkActionsOff(t *testing.T, w *world, e ended, from string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(w.volume, "an-action-ran")); !os.IsNotExist(err) {
		t.Errorf("an action ran although enableActions is false:\n%s", e.stderr)
	}
	if want := "VK318 the actions are not run: " + from + " turns them off"; !strings.Contains(e.stderr, want) {
		t.Errorf("the log does not say %q:\n%s", want, e.stderr)
	}
}

// checkActionTimeout: an action that outlives actionCommandTimeout is ended
// with all that it started, and fails the run before there is a snapshot; the
// after-action runs.
func checkActionTimeout(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	if e.code != 1 || len(results) != 1 || results[0].Outcome != result.Failed || results[0].Reason != "BeforeActionFailed" {
		t.Fatalf("exit %d, %+v\n%s", e.code, results, e.stderr)
	}
	r := results[0]
	if len(r.Actions) != 2 || !r.Actions[0].TimedOut || r.Actions[1].TimedOut || r.Actions[1].ExitCode != 0 {
		t.Errorf("actions %+v", r.Actions)
	}
	if took := time.Duration(r.Actions[0].Took); took < 3*time.Second || took > 40*time.Second {
		t.Errorf("the action was ended after %s, want 3s", took)
	}
	if !strings.Contains(r.Message, "time limit") || !strings.Contains(e.stderr, "afterSnapshot: cleared away") {
		t.Errorf("message %q\n%s", r.Message, e.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.volume, "the-action-went-on")); !os.IsNotExist(err) {
		t.Error("the action went on")
	}
	w.checkRecorded(t)
}

package acceptance

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// perRun is what differs between a plan and the run that follows it.
var perRun = regexp.MustCompile(`20\d{6}-\d{4}-[a-z0-9]{5}`)

// TestThePlanIsWhatRuns compares the argument vectors of the plan with those that
// kopia got, and looks for the file that the plan says the outcome goes to. In a
// pod a volume is mounted where its snapshots are recorded; recorded under its
// own name, a directory of this machine is the same.
func TestThePlanIsWhatRuns(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.repo.Seed(t)
		w.write(t, "app/x", "x")
		for _, field := range []string{"sourcePath: app", "sourcePathOverride: " + w.volume} {
			planIsWhatRuns(t, w, field)
		}
	})
}

func planIsWhatRuns(t *testing.T, w *world, field string) {
	t.Helper()
	files := w.files(t, "app", field, "retain: {latest: 4}", "compression: zstd", "parallelism: 3", "additionalArgs: ['--description=a b']")
	e := w.run(t, append([]string{"plan", "-o", "json", "--source-dir", w.volume}, w.local(files...)...)...)
	var planned plan.Plan
	if err := json.Unmarshal([]byte(e.stdout), &planned); err != nil {
		t.Fatalf("exit %d: %v\n%s", e.code, err, e.stderr)
	}
	if calls := w.calls(t); calls != nil {
		t.Fatalf("the plan started kopia: %q", calls)
	}
	results := w.mustBackup(t, files...)
	calls := slices.DeleteFunc(w.calls(t), func(c []string) bool { return slices.Equal(c, []string{"--version"}) })
	var want, got [][]string
	for _, c := range planned.Commands {
		want = append(want, normal(c.Args, ""))
	}
	for _, c := range calls {
		got = append(got, normal(c, results[0].Snapshot.ID))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kopia's arguments (-planned +run):\n%s", diff)
	}
	for _, step := range planned.Steps {
		if step.Status == nil {
			continue
		}
		if _, err := os.Stat(step.Status.File); err != nil {
			t.Errorf("the plan's state file: %v", err)
		}
	}
}

// normal replaces run ids, and the snapshot's id by the plan's word for it.
func normal(args []string, snapshot string) []string {
	var out []string
	for _, a := range args {
		if snapshot != "" && a == snapshot {
			a = "ID"
		}
		out = append(out, perRun.ReplaceAllString(a, "RUN"))
	}
	return out
}

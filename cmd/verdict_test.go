package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What a run met is told with its result, also to whoever has turned the log off.
func TestTheSummaryTellsTheFirstWarning(t *testing.T) {
	t.Parallel()
	const missed = "2 files or directories could not be read, and a policy ignores that: /data/a: permission denied, /data/b: permission denied"
	rows := map[string]struct {
		result result.Result
		says   string
		silent string
	}{
		"none": {result.Result{Outcome: result.Succeeded}, "Succeeded", "warning"},
		"one, with the files": {result.Result{
			Outcome: result.SucceededWithWarnings, Snapshot: &result.Snapshot{ID: "a", Ignored: 2},
			Warnings: []result.Warning{{Code: "VK423", Message: missed}},
		}, "2 errors ignored by policy, in 0.0s\n  warning VK423 " + missed, "more"},
		"three": {result.Result{
			Outcome: result.SucceededWithWarnings, Warnings: []result.Warning{{Code: "VK422", Message: "x"}, {Message: "y"}}, OmittedWarnings: 1,
		}, "\n  warning VK422 x\n  and 2 more in the result's warnings (-o json)", "y\n"},
		"of a source that was skipped": {result.Result{
			Outcome: result.Skipped, Message: "the source is empty", Warnings: []result.Warning{{Message: "z"}},
		}, "\n  warning z", "more"},
	}
	for name, row := range rows {
		var out strings.Builder
		row.result.StartTime, row.result.EndTime = time.Unix(0, 0), time.Unix(0, 0)
		if err := writeVerdict(&out, &verdict{result: &row.result}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), row.says) || strings.Contains(out.String(), row.silent) {
			t.Errorf("%s: %q, want it to say %q and not %q", name, out.String(), row.says, row.silent)
		}
	}
}

package run_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// What sets the limit is told of a run that was out of time, and only of that.
func TestSettleTellsWhatSetsTheLimit(t *testing.T) {
	t.Parallel()
	const hint = "--timeout sets the limit"
	for kind, want := range map[fault.Kind]string{fault.TimedOut: hint, fault.Interrupt: ""} {
		r := run.Settle(&result.Result{Outcome: result.Cancelled}, fault.New(kind, "stopped").WithHint(hint))
		if r.Hint != want {
			t.Errorf("%s: hint %q, want %q", kind, r.Hint, want)
		}
	}
}

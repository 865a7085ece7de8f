package result_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestEveryKindOfFaultHasAnOutcome(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]result.Outcome{
		fault.Failed: result.Failed, fault.Usage: result.Refused, fault.Invalid: result.Refused, fault.Incomplete: result.Incomplete,
		fault.Refused: result.Refused, fault.TimedOut: result.TimedOut, fault.Repository: result.Failed, fault.Leftover: result.Failed,
		fault.Difference: result.Failed, fault.Interrupt: result.Cancelled, fault.Terminated: result.Cancelled,
	}
	for _, exit := range fault.Exits() {
		if exit.Kind == "" {
			continue
		}
		if got := result.OutcomeOf(exit.Kind); got != want[exit.Kind] {
			t.Errorf("%s: %s, want %s", exit.Kind, got, want[exit.Kind])
		}
	}
}

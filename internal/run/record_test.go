package run_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// teller is a target that has told others of the start.
type teller struct {
	*target
	told []result.Result
}

func (t *teller) Record(ctx context.Context, r result.Result) error {
	t.note(ctx, "record")
	t.told = append(t.told, r)
	return t.fail["record"]
}

// TestWhoWasToldOfTheStartIsToldOfTheEnd, before what the run holds is given back.
// A run with a Result of its mover has a step for it.
func TestWhoWasToldOfTheStartIsToldOfTheEnd(t *testing.T) {
	t.Parallel()
	late := &teller{target: &target{fail: map[string]error{
		"run": fault.New(fault.TimedOut, "not started within 5m"), "record": errors.New("disk full"),
	}}}
	e := run.Execute(t.Context(), steps(), late, &observer{}, time.Now)
	if len(late.told) != 1 || late.told[0].Outcome != result.TimedOut || late.told[0].ExitCode != 6 || len(e.Left) != 1 || e.ExitCode() != 6 {
		t.Errorf("told %+v, left %v", late.told, e.Left)
	}
	if late.did[2] != "record" || late.did[3] != "undo run" {
		t.Errorf("did %v", late.did)
	}
	whole := &teller{target: &target{mover: moverResult(result.Failed, 7)}}
	if run.Execute(t.Context(), steps(), whole, &observer{}, time.Now); len(whole.told) > 0 {
		t.Errorf("told %+v", whole.told)
	}
}

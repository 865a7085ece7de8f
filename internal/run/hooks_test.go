package run_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// hooked writes down what it is asked, and how long it may take.
type hooked struct {
	did []string
	// fail ends the step of that kind; amend is what the after hook returns.
	fail  plan.StepKind
	amend *result.Result
	// recorded is the Result that the status step was given.
	recorded *result.Result
	// left is the time that each of the clean-up's actions had.
	left map[string]time.Duration
}

func (h *hooked) Do(_ context.Context, step plan.Step, mover *result.Result) (*result.Result, error) {
	h.did = append(h.did, string(step.Kind))
	switch {
	case step.Kind == h.fail:
		return nil, errors.New("broken")
	case step.Kind == plan.StepFollow:
		return &result.Result{Outcome: result.Succeeded}, nil
	case step.Kind == plan.StepStatus:
		h.recorded = mover
	case step.Kind == plan.StepExec && mover != nil:
		return h.amend, nil
	}
	return nil, nil
}

func (h *hooked) Undo(ctx context.Context, action plan.Cleanup) error {
	h.did = append(h.did, "undo "+string(action.Action))
	deadline, _ := ctx.Deadline()
	if h.left == nil {
		h.left = map[string]time.Duration{}
	}
	h.left[string(action.Action)] = time.Until(deadline)
	return nil
}

func hookedPlan() plan.Plan {
	before := &plan.Exec{When: plan.ExecBefore, Timeout: result.Duration(30 * time.Minute)}
	after := &plan.Exec{When: plan.ExecAfter, Timeout: result.Duration(30 * time.Minute)}
	return plan.Plan{
		Steps: []plan.Step{
			{ID: 1, Kind: plan.StepCreate},
			{ID: 2, Kind: plan.StepExec, Exec: before},
			{ID: 3, Kind: plan.StepUnsuspend},
			{ID: 4, Kind: plan.StepFollow},
			{ID: 5, Kind: plan.StepExec, Exec: after},
			{ID: 6, Kind: plan.StepStatus},
		},
		Cleanup:        []plan.Cleanup{{Step: 2, Action: plan.CleanupExec, Exec: after}, {Step: 1, Action: plan.CleanupDelete}},
		CleanupTimeout: result.Duration(time.Minute),
	}
}

func TestWhatIsSaidOfAHookGoesIntoTheResult(t *testing.T) {
	t.Parallel()
	warned := &result.Result{Outcome: result.SucceededWithWarnings, Warnings: []result.Warning{{Code: "VK542"}}}
	h := &hooked{amend: warned}
	x := run.Execute(t.Context(), hookedPlan(), h, &observer{}, time.Now)
	if diff := cmp.Diff(warned, &x.Result); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(warned, h.recorded); diff != "" {
		t.Errorf("the status was given (-want +got):\n%s", diff)
	}
}

func TestAHookWithoutAWordLeavesTheResult(t *testing.T) {
	t.Parallel()
	x := run.Execute(t.Context(), hookedPlan(), &hooked{}, &observer{}, time.Now)
	if x.Result.Outcome != result.Succeeded {
		t.Errorf("%+v", x.Result)
	}
}

// A slow application must not cost the rest of the clean-up its time, nor it the
// application's.
func TestTheAfterHookComesFirstAndOnTopOfTheCleanUpsTime(t *testing.T) {
	t.Parallel()
	h := &hooked{fail: plan.StepUnsuspend}
	run.Execute(t.Context(), hookedPlan(), h, &observer{}, time.Now)
	if diff := cmp.Diff([]string{"create", "exec", "unsuspend", "undo exec", "undo delete"}, h.did); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if hook, rest := h.left["exec"], h.left["delete"]; hook < 30*time.Minute || rest < time.Minute-time.Second || rest > time.Minute {
		t.Errorf("the hook has %s, the rest %s", hook, rest)
	}
	h = &hooked{fail: plan.StepCreate}
	run.Execute(t.Context(), hookedPlan(), h, &observer{}, time.Now)
	if diff := cmp.Diff([]string{"create", "undo delete"}, h.did); diff != "" {
		t.Errorf("a hook that was not begun (-want +got):\n%s", diff)
	}
}

package run_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// starting is a run whose mover begins with one step and is followed by a later
// one. What it is told to stop it says in its Result.
type starting struct {
	did []string
	// ended are the steps that got an ended context.
	ended []string
	fail  map[plan.StepKind]error
	// during is called in the step of that kind.
	during map[plan.StepKind]func()
	// unstarted is what the start returns of a mover that ended meanwhile.
	unstarted *result.Result
	undo      func()
	// undone is how long each action of the clean-up takes.
	undone time.Duration
}

func (s *starting) Do(ctx context.Context, step plan.Step, _ *result.Result) (*result.Result, error) {
	s.did = append(s.did, string(step.Kind))
	if ctx.Err() != nil {
		s.ended = append(s.ended, string(step.Kind))
	}
	if during := s.during[step.Kind]; during != nil {
		during()
	}
	switch {
	case step.Kind == plan.StepUnsuspend:
		return s.unstarted, s.fail[step.Kind]
	case step.Kind == plan.StepFollow && len(s.ended) > 0 && s.ended[len(s.ended)-1] == string(step.Kind):
		return &result.Result{Outcome: result.Cancelled, ExitCode: 143}, nil
	case step.Kind == plan.StepFollow:
		return &result.Result{Outcome: result.Succeeded}, nil
	}
	return nil, s.fail[step.Kind]
}

func (s *starting) Undo(ctx context.Context, action plan.Cleanup) error {
	s.did = append(s.did, "undo "+string(action.Action))
	if s.undo != nil {
		s.undo()
	}
	if s.undone > 0 {
		select {
		case <-time.After(s.undone):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// startedPlan is a Clone whose claim is bound by the mover: hook and trigger come
// when it has started.
func startedPlan(detach bool) plan.Plan {
	p := plan.Plan{
		RunID: "run", Steps: []plan.Step{
			{ID: 1, Kind: plan.StepCreate},
			{ID: 2, Kind: plan.StepUnsuspend},
			{ID: 3, Kind: plan.StepExec, Exec: &plan.Exec{When: plan.ExecAfter}},
			{ID: 4, Kind: plan.StepTrigger, Trigger: &plan.Trigger{State: plan.TriggerCompleted}},
		},
		Cleanup:        []plan.Cleanup{{Step: 2, Action: plan.CleanupDeleteUnstarted}, {Step: 1, Action: plan.CleanupDelete}},
		CleanupTimeout: result.Duration(time.Minute),
	}
	if !detach {
		p.Steps = append(p.Steps, plan.Step{ID: 5, Kind: plan.StepFollow}, plan.Step{ID: 6, Kind: plan.StepStatus})
	}
	return p
}

// TestAMoverThatRunsIsHeard: what comes between its start and its end neither
// keeps it from being followed nor lets it be removed unheard.
func TestAMoverThatRunsIsHeard(t *testing.T) {
	t.Parallel()
	whole := []string{"create", "unsuspend", "exec", "trigger", "follow", "status"}
	refused := fault.New(fault.Refused, "no")
	cases := map[string]struct {
		target starting
		detach bool
		// cancel is the step during which the command is told to stop.
		cancel  plan.StepKind
		did     []string
		outcome result.Outcome
		code    fault.ExitCode
		left    int
	}{
		"a trigger that cannot be reported": {starting{fail: map[plan.StepKind]error{plan.StepTrigger: refused}}, false, "", whole, result.Succeeded, 8, 1},
		"a cancel while the hook runs":      {starting{}, false, plan.StepExec, whole, result.Cancelled, 130, 0},
		"a cancel right after the start":    {starting{}, false, plan.StepUnsuspend, whole, result.Cancelled, 130, 0},
		"the mover ended during its start":  {starting{unstarted: &result.Result{Outcome: result.Failed, ExitCode: 7}}, false, "", []string{"create", "unsuspend", "exec", "trigger", "status"}, result.Failed, 7, 0},
		"a start that failed":               {starting{fail: map[plan.StepKind]error{plan.StepUnsuspend: refused}}, false, "", []string{"create", "unsuspend", "undo deleteUnstarted", "undo delete"}, result.Refused, 5, 0},
		"detached, and the mover was stopped": {
			starting{unstarted: &result.Result{Outcome: result.Failed, ExitCode: 6}},
			true, "",
			[]string{"create", "unsuspend", "exec", "trigger", "undo deleteUnstarted", "undo delete"},
			result.Failed, 6, 0,
		},
		"detached":                            {starting{}, true, "", whole[:4], "", 0, 0},
		"detached, and the trigger refused":   {starting{fail: map[plan.StepKind]error{plan.StepTrigger: refused}}, true, "", whole[:4], "", 8, 1},
		"detached, and a cancel at the start": {starting{}, true, plan.StepUnsuspend, whole[:4], "", 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c.target.during = map[plan.StepKind]func(){c.cancel: func() { cancel(fault.New(fault.Interrupt, "SIGINT")) }}
			x := run.Execute(ctx, startedPlan(c.detach), &c.target, &observer{}, time.Now)
			if diff := cmp.Diff(c.did, c.target.did); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			if x.Result.Outcome != c.outcome || x.ExitCode() != c.code || len(x.Left) != c.left || x.Started != (c.detach && c.outcome == "") {
				t.Errorf("%q, exit code %d, left %v, started %v", x.Result.Outcome, x.ExitCode(), x.Left, x.Started)
			}
			c.target.ended = slices.DeleteFunc(c.target.ended, func(step string) bool { return step == string(plan.StepFollow) })
			if len(c.target.ended) > 0 {
				t.Errorf("called with an ended context: %v", c.target.ended)
			}
		})
	}
}

// The Lease goes with the Job that the clean-up deletes, and its renewal says
// that it is lost: that has not ended the run.
func TestWhatTheCleanUpSetsOffIsNotTheReason(t *testing.T) {
	t.Parallel()
	ctx, lost := context.WithCancelCause(t.Context())
	defer lost(nil)
	s := &starting{
		fail: map[plan.StepKind]error{plan.StepUnsuspend: errors.New("disk full")},
		undo: func() { lost(fault.New(fault.Refused, "the Lease of this run was deleted")) },
	}
	x := run.Execute(ctx, startedPlan(false), s, &observer{}, time.Now)
	if x.Result.Outcome != result.Failed || x.ExitCode() != 1 {
		t.Errorf("%s, exit code %d: %s", x.Result.Outcome, x.ExitCode(), x.Result.Message)
	}
}

// Each action of the clean-up has its own time.
func TestASlowActionCostsTheOthersNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &starting{fail: map[plan.StepKind]error{plan.StepUnsuspend: errors.New("no")}, undone: time.Minute - time.Second}
		x := run.Execute(t.Context(), startedPlan(false), s, &observer{}, time.Now)
		if len(x.Left) > 0 {
			t.Errorf("left %v", x.Left)
		}
	})
}

// phases keeps the phases that a display is told, which of them failed, and the warnings.
type phases struct{ told []string }

func (p *phases) Observe(e result.Event) {
	switch {
	case e.Type == result.EventFailed:
		p.told = append(p.told, "!"+e.Phase)
	case e.Phase != "":
		p.told = append(p.told, e.Phase)
	case e.Warning != nil:
		p.told = append(p.told, "warning")
	}
}

// Each wait belongs to a phase, so that a display is never silent in it.
func TestAWatcherIsToldEachPhaseOnce(t *testing.T) {
	t.Parallel()
	p := startedPlan(false)
	p.Steps = append([]plan.Step{{ID: 7, Kind: plan.StepLease}, {ID: 8, Kind: plan.StepAdopt}}, p.Steps...)
	p.Steps = append(p.Steps, plan.Step{ID: 9, Kind: plan.StepAsk}, plan.Step{ID: 10, Kind: plan.StepDelete}, plan.Step{ID: 11, Kind: plan.StepRelease})
	seen := &phases{}
	run.Execute(t.Context(), p, &starting{fail: map[plan.StepKind]error{plan.StepStatus: errors.New("no")}}, seen, time.Now)
	if diff := cmp.Diff([]string{"prepare", "copy", "start", "afterHook", "status", "warning", "remove"}, seen.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	seen = &phases{}
	run.Execute(t.Context(), startedPlan(true), &starting{}, seen, time.Now)
	if diff := cmp.Diff([]string{"copy", "start", "afterHook", "detached"}, seen.told); diff != "" {
		t.Errorf("detached (-want +got):\n%s", diff)
	}
	seen = &phases{}
	run.Execute(t.Context(), p, &starting{fail: map[plan.StepKind]error{plan.StepUnsuspend: errors.New("no")}}, seen, time.Now)
	if diff := cmp.Diff([]string{"prepare", "copy", "start", "!start", "undo"}, seen.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

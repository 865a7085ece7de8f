package run_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// stopped is a target whose run is told to stop in the step of a kind, or in the
// clean-up. There it waits until that has been heard.
type stopped struct {
	at   plan.StepKind
	fail error
	stop func()
	// mover is what the run step returns.
	mover *result.Result

	mu    sync.Mutex
	heard chan struct{}
	notes []string
	last  result.EventType
}

// undoing stands for a step in the clean-up.
const undoing plan.StepKind = "undo"

func (s *stopped) reach(kind plan.StepKind) {
	if kind == s.at {
		s.stop()
		select {
		case <-s.heard:
		case <-time.After(10 * time.Second):
		}
	}
}

func (s *stopped) Do(_ context.Context, step plan.Step, _ *result.Result) (*result.Result, error) {
	s.reach(step.Kind)
	switch {
	case step.Kind == plan.StepRun && s.fail == nil, step.Kind == plan.StepFollow:
		return s.mover, nil
	case step.Kind == plan.StepRun || step.Kind == s.at && s.mover == nil:
		return nil, s.fail
	}
	return nil, nil
}

func (s *stopped) Undo(context.Context, plan.Cleanup) error {
	s.reach(undoing)
	return nil
}

func (s *stopped) Observe(e result.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last = e.Type; e.Type == result.EventNote {
		s.notes = append(s.notes, e.Message)
		close(s.heard)
	}
}

// TestAStopIsHeardAtOnce: what it sets off may take minutes, and a second signal would
// leave the clean-up undone.
func TestAStopIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	const again = "; press Ctrl-C again only to leave at once, without the clean-up"
	interrupt, broken := fault.New(fault.Interrupt, "cancelled by SIGINT"), errors.New("disk full")
	for name, row := range map[string]struct {
		at        plan.StepKind
		cause     error
		fail      error
		operation result.Operation
		want      string
	}{
		"before the mover":      {plan.StepPrepare, interrupt, nil, result.OperationBackup, "stopping: what the run has done is undone" + again},
		"in an upload":          {plan.StepRun, interrupt, nil, result.OperationBackup, "stopping: kopia saves what it has uploaded, if anything" + again},
		"in a restore":          {plan.StepRun, interrupt, nil, result.OperationRestore, "stopping: the mover is told to end" + again},
		"after the mover":       {plan.StepStatus, interrupt, nil, result.OperationBackup, "stopping: only the clean-up is left to do" + again},
		"in the clean-up":       {undoing, interrupt, broken, result.OperationBackup, "stopping: only the clean-up is left to do" + again},
		"by SIGTERM":            {plan.StepRun, fault.New(fault.Terminated, "cancelled by SIGTERM"), nil, result.OperationBackup, "stopping: kopia saves what it has uploaded, if anything; another SIGINT or SIGTERM leaves at once, without the clean-up"},
		"by the time limit":     {plan.StepRun, fault.New(fault.TimedOut, "the run took longer than 1m"), nil, result.OperationBackup, "the run took longer than 1m; stopping: kopia saves what it has uploaded, if anything"},
		"before anything began": {"", interrupt, nil, result.OperationBackup, ""},
		"never":                 {"", nil, nil, result.OperationBackup, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := &stopped{at: row.at, fail: row.fail, mover: moverResult(result.Succeeded, 0), heard: make(chan struct{})}
			s.stop = func() { cancel(row.cause) }
			if row.at == "" && row.cause != nil {
				cancel(row.cause)
			}
			p := steps()
			p.Operation = row.operation
			run.Execute(ctx, p, s, s, time.Now)
			var want []string
			if row.want != "" {
				want = []string{row.want}
			}
			if diff := cmp.Diff(want, s.notes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.last != result.EventResult {
				t.Errorf("the last event is a %s", s.last)
			}
		})
	}
}

// TestAStartIsStopped: the mover may run already. One that goes on by itself is not told.
func TestAStartIsStopped(t *testing.T) {
	t.Parallel()
	for at, want := range map[plan.StepKind]bool{plan.StepUnsuspend: true, plan.StepExec: true, plan.StepFollow: true, plan.StepDetach: false} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := &stopped{at: at, heard: make(chan struct{}), mover: moverResult(result.Succeeded, 0)}
			s.stop = func() {
				cancel(fault.New(fault.Interrupt, "cancelled by SIGINT"))
				if !want {
					close(s.heard) // nobody is to say anything
				}
			}
			p := startedPlan(at == plan.StepDetach)
			p.Operation = result.OperationBackup
			if at == plan.StepDetach {
				p.Steps = append(p.Steps, plan.Step{ID: 7, Kind: plan.StepDetach})
			}
			run.Execute(ctx, p, s, s, time.Now)
			if told := slices.ContainsFunc(s.notes, func(n string) bool { return strings.Contains(n, "kopia saves") }); told != want {
				t.Errorf("told %v: %v", told, s.notes)
			}
		})
	}
}

package run_test

import (
	"context"
	"errors"
	"fmt"
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

// target does nothing but write down what it is asked, and injects faults.
type target struct {
	did []string
	// fail is returned by the step or action of that name.
	fail map[string]error
	// mover is the Result of the run step.
	mover *result.Result
	// during is called in the run step.
	during func()
	// ended are the calls that got an ended context.
	ended []string
	// recorded is the Result that the status step was given.
	recorded *result.Result
}

func (t *target) Do(ctx context.Context, step plan.Step, mover *result.Result) (*result.Result, error) {
	name := string(step.Kind)
	t.note(ctx, name)
	if step.Kind == plan.StepStatus {
		t.recorded = mover
	}
	if step.Kind == plan.StepRun {
		if t.during != nil {
			t.during()
		}
		return t.mover, t.fail[name]
	}
	return nil, t.fail[name]
}

func (t *target) Undo(ctx context.Context, action plan.Cleanup) error {
	name := "undo " + action.Title
	t.note(ctx, name)
	return t.fail[name]
}

func (t *target) note(ctx context.Context, name string) {
	t.did = append(t.did, name)
	if ctx.Err() != nil {
		t.ended = append(t.ended, name)
	}
}

type observer struct {
	mu   sync.Mutex
	last *result.Result
}

func (o *observer) Observe(e result.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = e.Result
}

func steps() plan.Plan {
	return plan.Plan{
		RunID: "run", Operation: result.OperationBackup,
		Steps: []plan.Step{
			{ID: 1, Kind: plan.StepPrepare}, {ID: 2, Kind: plan.StepRun}, {ID: 3, Kind: plan.StepStatus}, {ID: 4, Kind: plan.StepRemove},
		},
		Cleanup: []plan.Cleanup{{Step: 2, Title: "run"}, {Step: 1, Title: "prepare"}},
	}
}

func moverResult(o result.Outcome, code int) *result.Result {
	return &result.Result{Outcome: o, ExitCode: code, Message: "from the mover"}
}

// partial is a mover's Result after SIGTERM: what kopia had is saved.
func partial() *result.Result {
	r := moverResult(result.Cancelled, 143)
	r.Snapshot = &result.Snapshot{ID: "a", Incomplete: "canceled"}
	return r
}

func TestExecute(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	cases := map[string]struct {
		target target
		// cancel is the cause that ends the context during the run step.
		cancel  error
		did     []string
		outcome result.Outcome
		code    fault.ExitCode
		left    int
		// reason and message are looked for in the Result; exact: the message is no more.
		reason, message string
		exact           bool
	}{
		"a clean run does every step once": {
			target:  target{mover: moverResult(result.Succeeded, 0)},
			did:     []string{"prepare", "run", "status", "remove"},
			outcome: result.Succeeded,
		},
		"what the mover says decides, and the steps after it are done all the same": {
			target:  target{mover: moverResult(result.Incomplete, 4)},
			did:     []string{"prepare", "run", "status", "remove"},
			outcome: result.Incomplete, code: 4,
		},
		"a status that cannot be written does not keep the rest from being removed": {
			target:  target{mover: moverResult(result.Succeeded, 0), fail: map[string]error{"status": full}},
			did:     []string{"prepare", "run", "status", "remove"},
			outcome: result.Succeeded, code: 8, left: 1,
		},
		"a mover's own failure is worse than something left": {
			target:  target{mover: moverResult(result.Failed, 7), fail: map[string]error{"remove": full}},
			did:     []string{"prepare", "run", "status", "remove"},
			outcome: result.Failed, code: 7, left: 1,
		},
		"a failed step undoes itself, for it may have done half": {
			target:  target{fail: map[string]error{"prepare": fault.New(fault.Refused, "no")}},
			did:     []string{"prepare", "undo prepare"},
			outcome: result.Refused, code: 5,
		},
		"a mover without a result is no success, and everything is undone in order": {
			target:  target{fail: map[string]error{"run": full}},
			did:     []string{"prepare", "run", "undo run", "undo prepare"},
			outcome: result.Failed, code: 1,
		},
		"what cannot be undone is left, and the rest is undone": {
			target:  target{fail: map[string]error{"run": full, "undo run": full}},
			did:     []string{"prepare", "run", "undo run", "undo prepare"},
			outcome: result.Failed, code: 1, left: 1,
		},
		"a cancelled mover takes the exit code of the signal that was sent": {
			target: target{mover: moverResult(result.Cancelled, 143)}, cancel: fault.New(fault.Interrupt, "SIGINT"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.Cancelled, code: 130,
		},
		"a cancelled mover cannot name the signal": {
			target: target{mover: &result.Result{Outcome: result.Cancelled, ExitCode: 143, Message: result.MessageCancelled + "; no snapshot was made"}},
			cancel: fault.New(fault.Interrupt, "cancelled by SIGINT"),
			did:    []string{"prepare", "run", "status", "remove"}, outcome: result.Cancelled, code: 130,
			message: "cancelled by SIGINT; no snapshot was made",
		},
		"a mover that was told to stop for time has timed out": {
			target: target{mover: moverResult(result.Cancelled, 143)}, cancel: fault.New(fault.TimedOut, "took longer"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.TimedOut, code: 6,
			reason: "TimedOut", message: "took longer: from the mover",
		},
		"a mover that was told to stop and left no result": {
			target: target{mover: &result.Result{Outcome: result.Unknown, ExitCode: 1, Message: "killed"}}, cancel: fault.New(fault.TimedOut, "took longer"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.Unknown, code: 1,
			message: "took longer: killed",
		},
		"time ran out with a part of it saved": {
			target: target{mover: partial()}, cancel: fault.New(fault.TimedOut, "took longer"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.TimedOut, code: 6,
		},
		"a mover that somebody else stopped has failed": {
			target: target{mover: moverResult(result.Cancelled, 143)},
			did:    []string{"prepare", "run", "status", "remove"}, outcome: result.Failed, code: 1,
			reason: "StoppedByOthers", message: "from the mover",
		},
		"a mover that somebody else stopped with a part of it saved": {
			target: target{mover: partial()},
			did:    []string{"prepare", "run", "status", "remove"}, outcome: result.Incomplete, code: 4,
			reason: "StoppedByOthers", message: "from the mover",
		},
		"a mover that was told to stop for neither time nor a signal": {
			target: target{mover: partial()}, cancel: fault.New(fault.Refused, "the Lease was taken over"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.Incomplete, code: 4,
			reason: "StoppedByOthers", message: "the Lease was taken over: from the mover",
		},
		"what a cancel broke off is cancelled": {
			target: target{fail: map[string]error{"run": full}}, cancel: fault.New(fault.Terminated, "SIGTERM"),
			did: []string{"prepare", "run", "undo run", "undo prepare"}, outcome: result.Cancelled, code: 143,
			message: "SIGTERM: disk full",
		},
		"what a cancel broke off need not be said twice": {
			target: target{fail: map[string]error{"run": fmt.Errorf("wait: %w", fault.New(fault.Failed, "SIGTERM"))}}, cancel: fault.New(fault.Terminated, "SIGTERM"),
			did: []string{"prepare", "run", "undo run", "undo prepare"}, outcome: result.Cancelled, code: 143,
			message: "SIGTERM", exact: true,
		},
		"a mover that finished all the same has finished": {
			target: target{mover: moverResult(result.Succeeded, 0)}, cancel: fault.New(fault.Terminated, "SIGTERM"),
			did: []string{"prepare", "run", "status", "remove"}, outcome: result.Succeeded,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if c.cancel != nil {
				c.target.during = func() { cancel(c.cancel) }
			}
			seen := &observer{}
			x := run.Execute(ctx, steps(), &c.target, seen, time.Now)
			if diff := cmp.Diff(c.did, c.target.did); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			if x.Result.Outcome != c.outcome || x.ExitCode() != c.code || len(x.Left) != c.left {
				t.Errorf("%s, exit code %d, left %v; want %s, %d, %d", x.Result.Outcome, x.ExitCode(), x.Left, c.outcome, c.code, c.left)
			}
			if c.exact && x.Result.Message != c.message || x.Err != nil && x.Err.Error() != x.Result.Message {
				t.Errorf("message %q, error %v", x.Result.Message, x.Err)
			}
			if c.reason != "" && x.Result.Reason != c.reason || !strings.Contains(x.Result.Message, c.message) {
				t.Errorf("reason %q, message %q; want %q, %q", x.Result.Reason, x.Result.Message, c.reason, c.message)
			}
			if diff := cmp.Diff(&x.Result, seen.last); diff != "" || x.Result.ExitCode != int(c.code) {
				t.Errorf("the Result's exit code is %d; the observer was told another (-returned +told):\n%s", x.Result.ExitCode, diff)
			}
			// What is left is not known yet when the status is written.
			if r := c.target.recorded; r != nil && (r.Outcome != c.outcome || c.left == 0 && r.ExitCode != int(c.code) || r.Message != x.Result.Message) {
				t.Errorf("the status was given %+v", r)
			}
			if len(c.target.ended) > 0 {
				t.Errorf("called with an ended context: %v", c.target.ended)
			}
		})
	}
}

func TestNothingBeginsAfterACancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fault.New(fault.Terminated, "SIGTERM"))
	var quiet target
	x := run.Execute(ctx, steps(), &quiet, &observer{}, time.Now)
	if len(quiet.did) > 0 || x.Result.Outcome != result.Cancelled || x.ExitCode() != 143 {
		t.Errorf("did %v, %s, exit code %d", quiet.did, x.Result.Outcome, x.ExitCode())
	}
}

func TestAPlanThatEndsWithoutAResultIsUnknown(t *testing.T) {
	t.Parallel()
	x := run.Execute(t.Context(), steps(), &target{}, &observer{}, time.Now)
	if x.Result.Outcome != result.Unknown || x.ExitCode() != 1 {
		t.Errorf("%s, exit code %d", x.Result.Outcome, x.ExitCode())
	}
}

// TestARunOutOfSightIsLeftAlone: nobody knows how it ends, so nothing is written down
// and nothing is removed.
func TestARunOutOfSightIsLeftAlone(t *testing.T) {
	t.Parallel()
	unseen := &teller{target: &target{fail: map[string]error{
		"run": fault.New(fault.Failed, "%w: Unauthorized", run.ErrOutOfSight).WithHint("attach"),
	}}}
	e := run.Execute(t.Context(), steps(), unseen, &observer{}, time.Now)
	if e.Result.Outcome != result.Unknown || e.ExitCode() != 1 || e.Result.Hint != "attach" || len(e.Left) > 0 {
		t.Errorf("%+v", e)
	}
	for _, did := range unseen.did {
		if did == "record" || strings.HasPrefix(did, "undo") {
			t.Errorf("did %v", unseen.did)
		}
	}
}

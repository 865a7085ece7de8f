package run_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

type silent struct{}

func (silent) Observe(result.Event) {}

func TestTwoResultsMustAgree(t *testing.T) {
	t.Parallel()
	r := func(outcome result.Outcome, code int, id string) *result.Result {
		return &result.Result{
			APIVersion: result.APIVersion, Kind: result.KindResult, RunID: "run", Outcome: outcome, ExitCode: code, Snapshot: &result.Snapshot{ID: id},
		}
	}
	message := func(r *result.Result) []byte {
		if r == nil {
			return nil
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := r(result.Succeeded, 0, "a")
	other := r(result.Succeeded, 0, "a")
	other.RunID = "another"
	cases := map[string]struct {
		event, written *result.Result
		agreed         bool
	}{
		"both":                  {good, good, true},
		"the event alone":       {good, nil, true},
		"the message alone":     {nil, good, true},
		"neither":               {nil, nil, false},
		"different outcomes":    {good, r(result.Failed, 1, "a"), false},
		"different snapshots":   {good, r(result.Succeeded, 0, "b"), false},
		"a message of nonsense": {nil, &result.Result{}, false},
		"of another run":        {nil, other, false},
	}
	for name, c := range cases {
		collect := run.Collector{Observer: silent{}, Task: &result.Task{RunID: "run"}, Now: time.Now}
		if c.event != nil {
			line, err := json.Marshal(result.Event{
				APIVersion: result.APIVersion, Kind: result.KindEvent, Type: result.EventResult, Result: c.event,
			})
			if err != nil {
				t.Fatal(err)
			}
			collect.Line(result.EventPrefix + string(line))
		}
		want := result.Unknown
		if c.agreed {
			want = result.Succeeded
		}
		got := collect.Agree(message(c.written), "the mover ended with exit code 1")
		if got.Outcome != want || !c.agreed && (got.ExitCode != 1 || got.RunID != "run") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestAResultThatWasCutIsStillItsObjects: the history is known by its object, and only
// the termination message is left of a log that could not be read.
func TestAResultThatWasCutIsStillItsObjects(t *testing.T) {
	t.Parallel()
	task := &result.Task{
		RunID: "run", Object: result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"}, Identity: result.Identity{Username: "app", Path: "/data"},
	}
	core := result.Result{APIVersion: result.APIVersion, Kind: result.KindResult, RunID: "run", Outcome: result.Failed, ExitCode: 1}
	data, err := json.Marshal(core)
	if err != nil {
		t.Fatal(err)
	}
	collect := run.Collector{Observer: silent{}, Task: task, Now: time.Now}
	if r := collect.Agree(data, "the mover ended"); r.Outcome != result.Failed || r.Object != task.Object || r.Identity != task.Identity {
		t.Errorf("%+v", r)
	}
}

// The log's last line says why the run has ended, as its Result does: a mover that
// is told to stop cannot know.
func TestTheLastLineOfALogHasTheRealReason(t *testing.T) {
	t.Parallel()
	const cancelled = "Cancelled: the run was cancelled; nothing was restored"
	rows := map[string]struct {
		cause      error
		line, want string
	}{
		"the time was up":   {fault.New(fault.TimedOut, "the backup took longer than 1m"), cancelled, "TimedOut: the backup took longer than 1m: the run was cancelled; nothing was restored"},
		"a signal":          {fault.New(fault.Interrupt, "cancelled by SIGINT"), cancelled, "Cancelled: cancelled by SIGINT; nothing was restored"},
		"nobody stopped it": {nil, cancelled, cancelled},
		"another line":      {fault.New(fault.TimedOut, "the backup took longer than 1m"), "kopia: " + cancelled, "kopia: " + cancelled},
	}
	for name, row := range rows {
		var heard hearing
		collect := run.Collector{Observer: &heard, Task: &result.Task{RunID: "run"}, Now: time.Now, Stopped: func() error { return row.cause }}
		collect.Line(row.line)
		if len(heard) != 1 || heard[0].Message != row.want {
			t.Errorf("%s: %+v, want %q", name, heard, row.want)
		}
	}
}

// hearing keeps what it observes.
type hearing []result.Event

func (h *hearing) Observe(e result.Event) { *h = append(*h, e) }

// TestTheFailedPhaseIsTold before the next one of the run begins: by the mover, or else
// once it has ended.
func TestTheFailedPhaseIsTold(t *testing.T) {
	t.Parallel()
	event := func(e result.Event) string {
		t.Helper()
		e.RunID = "run"
		line, err := result.EventLine(e)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(line))
	}
	ended := func(outcome result.Outcome, code int) string {
		return event(result.Event{Type: result.EventResult, Result: &result.Result{
			APIVersion: result.APIVersion, Kind: result.KindResult, RunID: "run", Outcome: outcome, ExitCode: code,
		}})
	}
	snapshot, proof := event(result.Event{Type: result.EventPhase, Phase: "snapshot"}), event(result.Event{Type: result.EventPhase, Phase: "proof"})
	failed := event(result.Event{Type: result.EventFailed, Phase: "snapshot"})
	for name, row := range map[string]struct {
		log, want []string
	}{
		"nothing has failed":                         {[]string{snapshot, proof, ended(result.Succeeded, 0)}, []string{"snapshot", "proof"}},
		"the last one":                               {[]string{snapshot, proof, ended(result.Failed, 1)}, []string{"snapshot", "proof", "!proof"}},
		"one that the mover has told":                {[]string{snapshot, failed, proof, ended(result.Incomplete, 4)}, []string{"snapshot", "!snapshot", "proof"}},
		"the mover is gone":                          {[]string{snapshot}, []string{"snapshot", "!snapshot"}},
		"the mover is gone, and has told of another": {[]string{snapshot, failed, proof}, []string{"snapshot", "!snapshot", "proof", "!proof"}},
	} {
		var seen phases
		collect := run.Collector{Observer: &seen, Task: &result.Task{RunID: "run"}, Now: time.Now}
		for _, line := range row.log {
			collect.Line(line)
		}
		collect.Agree(nil, "the mover has ended")
		if diff := cmp.Diff(row.want, seen.told); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

package run

import (
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Collector passes a mover's log on and keeps the Result that it ends with.
type Collector struct {
	Observer Observer
	// Task is what the mover was told; Began is when it was started.
	Task  *result.Task
	Began time.Time
	Now   func() time.Time
	// Stopped says why the mover was told to stop, which it cannot know itself; nil,
	// or an answer of nil: it was not.
	Stopped func() error

	result *result.Result
	heard  bool
	// phase is the mover's last; failed is true when it has said that one has failed.
	phase  string
	failed bool
}

// Line takes one line of the mover's log.
func (c *Collector) Line(line string) {
	c.heard = true
	event, err := result.DecodeEventLine([]byte(line))
	if err != nil {
		said := result.Event{Type: result.EventLog, Message: c.settled(line)}.Of(c.Task.RunID, c.Now())
		event = &said
	}
	if event.Type == result.EventResult {
		// The executor reports the final Result, once.
		c.result = event.Result
		return
	}
	switch event.Type {
	case result.EventPhase:
		c.phase = event.Phase
	case result.EventFailed:
		c.failed = true
	default:
	}
	c.Observer.Observe(*event)
}

// settled is a line of the log with the run's own word for how it ended, where the
// mover says that it was cancelled: the Result is settled in the same way.
func (c *Collector) settled(line string) string {
	message, last := strings.CutPrefix(line, string(result.Cancelled)+": ")
	if !last || !strings.HasPrefix(message, result.MessageCancelled) || c.Stopped == nil {
		return line
	}
	cause := c.Stopped()
	if cause == nil {
		return line
	}
	r := Settle(&result.Result{Outcome: result.Cancelled, Message: message}, cause)
	return string(r.Outcome) + ": " + r.Message
}

// Heard reports whether the mover has written anything.
func (c *Collector) Heard() bool { return c.heard }

// Ended reports whether the log's last line has come: the Result.
func (c *Collector) Ended() bool { return c.result != nil }

// Agree returns the mover's Result, which arrives twice: as the last event of
// the log and as the termination message. Either suffices; two that contradict
// each other are as good as none, and then the outcome is Unknown. ended says
// how the mover ended, as "the mover ended with exit code 137". Which phase has
// failed the observer is told here, unless the mover has told it.
func (c *Collector) Agree(message []byte, ended string) *result.Result {
	r := c.agreed(message, ended)
	// What a mover without a result has told says nothing about the phase that it ended in.
	if r.ExitCode != 0 && (!c.failed || r.Outcome == result.Unknown) && c.Observer != nil {
		c.Observer.Observe(result.Event{Type: result.EventFailed, Phase: c.phase}.Of(c.Task.RunID, c.Now()))
	}
	return r
}

func (c *Collector) agreed(message []byte, ended string) *result.Result {
	written, err := result.Decode(message) // fails also on an empty message
	switch {
	case err != nil && c.result == nil:
		return c.unknown(ended + " and left no result")
	case err != nil:
		return c.ours(c.result)
	case c.result == nil:
		return c.ours(written)
	case c.result.RunID != written.RunID, c.result.Outcome != written.Outcome, snapshotID(c.result) != snapshotID(written):
		return c.unknown("the mover's two results differ: " + string(c.result.Outcome) + " and " + string(written.Outcome))
	}
	return c.ours(c.result)
}

// ours refuses the Result of another run, and says whose it is of one that was cut
// to fit: the history is known by that.
func (c *Collector) ours(r *result.Result) *result.Result {
	if r.RunID != c.Task.RunID {
		return c.unknown("the mover's result is of run " + r.RunID)
	}
	if r.Object.Name != "" {
		return r
	}
	whole := *r
	whole.Object, whole.Identity = c.Task.Object, c.Task.Identity
	return &whole
}

// unknown is the Result of a run whose outcome nobody can tell.
func (c *Collector) unknown(why string) *result.Result {
	r := &result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: c.Task.Operation, RunID: c.Task.RunID,
		Object: c.Task.Object, Identity: c.Task.Identity, StartTime: c.Began, EndTime: c.Now(),
		Outcome: result.Unknown, ExitCode: int(fault.Failed.ExitCode()), Reason: reasonNoResult,
		Message: why,
	}
	switch c.Task.Operation {
	case result.OperationBackup:
		r.Message += "; a snapshot may exist"
		r.Hint = "look for the run's tag among the snapshots: volsync-kopia-run:" + c.Task.RunID
	case result.OperationMaintenance:
		r.Message += "; what the maintenance has done stays"
		r.Hint = "run it again"
	case result.OperationRestore, result.OperationList, result.OperationProbe:
	}
	return r
}

// reasonNoResult is the reason of a run whose outcome nobody can tell.
const reasonNoResult = "NoResult"

// ReasonUncollected is the reason of a run of which only the start is known.
const ReasonUncollected = "Uncollected"

// Uncollected is the Result of a run that was started, for as long as nobody has
// written a better one: its Job may be gone before anybody looks.
func Uncollected(task *result.Task, began time.Time) result.Result {
	c := Collector{Task: task, Began: began, Now: func() time.Time { return began }}
	r := c.unknown("its Job is gone, and nobody had collected its result")
	r.Reason = ReasonUncollected
	return *r
}

func snapshotID(r *result.Result) string {
	if r.Snapshot == nil {
		return ""
	}
	return r.Snapshot.ID
}

// Package status works out what a run means for its object's status: the same
// fields and conditions that VolSync writes. It is pure; writers put the value
// where it belongs.
package status

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// ConditionSynchronizing is the one condition type that VolSync writes.
const ConditionSynchronizing = "Synchronizing"

// Reasons of the Synchronizing condition, as VolSync words them: the first while
// a mover runs, the others once it has ended. An object without any trigger waits
// for a manual one here: nothing starts its runs in a loop.
const (
	ReasonRunning   = "SyncInProgress"
	ReasonScheduled = "WaitingForSchedule"
	ReasonManual    = "WaitingForManual"
	ReasonError     = "Error"
)

const (
	moverSuccessful = "Successful"
	moverFailed     = "Failed"
	// maximumLogs is VolSync's own bound of latestMoverStatus.logs, in bytes.
	maximumLogs   = 1024
	historyLength = 20
)

// Status is the part of a ReplicationSource's or ReplicationDestination's
// status that a run writes, in VolSync's own shape.
type Status struct {
	LastSyncTime      *metav1.Time       `json:"lastSyncTime,omitempty"`
	LastSyncStartTime *metav1.Time       `json:"lastSyncStartTime,omitempty"`
	LastSyncDuration  *metav1.Duration   `json:"lastSyncDuration,omitempty"`
	NextSyncTime      *metav1.Time       `json:"nextSyncTime,omitempty"`
	LastManualSync    string             `json:"lastManualSync,omitempty"`
	LatestMoverStatus *MoverStatus       `json:"latestMoverStatus,omitempty"`
	Conditions        []metav1.Condition `json:"conditions,omitempty"`
}

// Passing are the fields that hold for a while, by their names in JSON: what is not
// said of one any more is taken away.
func (Status) Passing() []string { return []string{"lastSyncStartTime", "nextSyncTime"} }

// MoverStatus is how the last mover ended.
type MoverStatus struct {
	// Result is Successful or Failed.
	Result string `json:"result,omitempty"`
	// Logs are the words that explain it, at most 1024 bytes as in VolSync.
	Logs string `json:"logs,omitempty"`
}

// Run is one finished run, with what the object asked for when it began.
type Run struct {
	Result result.Result
	// ManualTag is spec.trigger.manual, or empty.
	ManualTag string
	// Scheduled is true when the object has a schedule.
	Scheduled bool
	// Next is when the next run is due; nil when nothing will start one.
	Next *time.Time
}

// Synced reports whether the outcome counts as a synchronisation: a proved
// snapshot of the source's present content is in the repository.
func Synced(o result.Outcome) bool {
	switch o {
	case result.Succeeded, result.SucceededWithWarnings, result.Unchanged:
		return true
	default:
		return false
	}
}

// Beginning is the part of the status that changes when a mover begins.
func Beginning(began time.Time) Status {
	at := metav1.NewTime(began)
	return Status{LastSyncStartTime: &at, Conditions: []metav1.Condition{{
		Type: ConditionSynchronizing, Status: metav1.ConditionTrue, Reason: ReasonRunning,
		Message: "Synchronization in-progress", LastTransitionTime: at,
	}}}
}

// NextRun is when a schedule in cron's words is due next; nil: it is none, or one that
// is never due, as the 31st of February.
func NextRun(schedule string, now time.Time) *time.Time {
	parsed, err := cron.ParseStandard(schedule)
	if schedule == "" || err != nil {
		return nil
	}
	next := parsed.Next(now.UTC())
	if next.IsZero() {
		return nil
	}
	return &next
}

// After returns the status that follows before once the run has ended. Only a
// synchronisation moves lastSyncTime and lastManualSync.
func After(before Status, run Run) Status {
	after := before
	after.LastSyncStartTime = nil
	after.NextSyncTime = timePointer(run.Next)
	after.LatestMoverStatus = &MoverStatus{Result: moverFailed, Logs: tail(run.Result.Message)}
	if Synced(run.Result.Outcome) {
		end := metav1.NewTime(run.Result.EndTime)
		after.LastSyncTime = &end
		after.LastSyncDuration = &metav1.Duration{Duration: run.Result.EndTime.Sub(run.Result.StartTime)}
		after.LastManualSync = run.ManualTag
		after.LatestMoverStatus.Result = moverSuccessful
	}
	if run.Result.Outcome == result.Skipped {
		after.LatestMoverStatus = before.LatestMoverStatus
	}
	after.Conditions = []metav1.Condition{condition(before, run)}
	return after
}

// condition is the Synchronizing condition after the run.
func condition(before Status, run Run) metav1.Condition {
	c := metav1.Condition{
		Type: ConditionSynchronizing, Status: metav1.ConditionFalse,
		Reason: ReasonManual, Message: "Waiting for manual trigger",
		LastTransitionTime: metav1.NewTime(run.Result.EndTime),
	}
	switch {
	case !Synced(run.Result.Outcome) && run.Result.Outcome != result.Skipped:
		c.Reason, c.Message = ReasonError, Head(run.Result.Message, maximumMessage)
	case run.Scheduled:
		c.Reason, c.Message = ReasonScheduled, "Waiting for next scheduled synchronization"
	}
	for _, old := range before.Conditions {
		if old.Type == c.Type && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return c
}

func timePointer(t *time.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	m := metav1.NewTime(*t)
	return &m
}

// maximumMessage is the API server's bound of a condition's message, in bytes.
const maximumMessage = 32768

// Head keeps the first bytes of a text, at most limit, without cutting a character in
// two.
func Head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// tail keeps the last bytes that fit, without cutting a character in two.
func tail(s string) string {
	if len(s) <= maximumLogs {
		return s
	}
	s = s[len(s)-maximumLogs:]
	for i := range len(s) {
		if s[i]&0xC0 != 0x80 {
			return s[i:]
		}
	}
	return ""
}

package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The conditions of a KopiaMaintenance that a run writes. Ready, the third of VolSync's,
// says whether its operator has made a CronJob: that is the operator's to say.
const (
	ConditionProgressing = "Progressing"
	ConditionHealthy     = "MaintenanceHealthy"
)

// Reasons of these conditions.
const (
	ReasonMaintaining          = "MaintenanceInProgress"
	ReasonMaintained           = "MaintenanceCompleted"
	ReasonMaintenanceFailed    = "MaintenanceFailed"
	ReasonMaintenanceScheduled = "WaitingForSchedule"
	ReasonMaintenanceManual    = "WaitingForManual"
)

// Maintenance is the part of a KopiaMaintenance's status that a run writes, in
// VolSync's own shape.
type Maintenance struct {
	LastMaintenanceTime      *metav1.Time `json:"lastMaintenanceTime,omitempty"`
	NextScheduledMaintenance *metav1.Time `json:"nextScheduledMaintenance,omitempty"`
	// MaintenanceFailures counts the runs that failed since the last good one.
	MaintenanceFailures int32              `json:"maintenanceFailures"`
	LastManualSync      string             `json:"lastManualSync,omitempty"`
	Conditions          []metav1.Condition `json:"conditions,omitempty"`
}

// Passing are the fields that hold for a while, by their names in JSON: what is not
// said of one any more is taken away.
func (Maintenance) Passing() []string { return []string{"nextScheduledMaintenance"} }

// MaintenanceBeginning returns the status that follows before when a mover begins.
func MaintenanceBeginning(before Maintenance, began time.Time) Maintenance {
	after := before
	after.Conditions = withCondition(before.Conditions, metav1.Condition{
		Type: ConditionProgressing, Status: metav1.ConditionTrue, Reason: ReasonMaintaining,
		Message: "Maintenance in progress", LastTransitionTime: metav1.NewTime(began),
	})
	return after
}

// AfterMaintenance returns the status that follows before once the run has ended. Only
// a maintenance that was proved moves lastMaintenanceTime and lastManualSync. One that
// was skipped or cancelled says nothing about the repository's health.
func AfterMaintenance(before Maintenance, run Run) Maintenance {
	after := before
	at := metav1.NewTime(run.Result.EndTime)
	after.NextScheduledMaintenance = timePointer(run.Next)
	waiting := metav1.Condition{
		Type: ConditionProgressing, Status: metav1.ConditionFalse, Reason: ReasonMaintenanceManual,
		Message: "Waiting for manual trigger", LastTransitionTime: at,
	}
	if run.Scheduled {
		waiting.Reason, waiting.Message = ReasonMaintenanceScheduled, "Waiting for next scheduled maintenance"
	}
	after.Conditions = withCondition(before.Conditions, waiting)
	health := metav1.Condition{Type: ConditionHealthy, Message: Head(run.Result.Message, maximumMessage), LastTransitionTime: at}
	switch {
	case Synced(run.Result.Outcome):
		after.LastMaintenanceTime, after.LastManualSync, after.MaintenanceFailures = &at, run.ManualTag, 0
		health.Status, health.Reason = metav1.ConditionTrue, ReasonMaintained
	case run.Result.Outcome == result.Skipped, run.Result.Outcome == result.Cancelled:
		return after
	default:
		after.MaintenanceFailures++
		health.Status, health.Reason = metav1.ConditionFalse, ReasonMaintenanceFailed
	}
	after.Conditions = withCondition(after.Conditions, health)
	return after
}

// withCondition returns the conditions with c among them; the others, which others
// write, stay. The time of c is that of its last change of status.
func withCondition(before []metav1.Condition, c metav1.Condition) []metav1.Condition {
	after := []metav1.Condition{}
	for _, old := range before {
		if old.Type != c.Type {
			after = append(after, old)
		} else if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return append(after, c)
}

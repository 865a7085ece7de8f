package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// The outcome of a maintenance moves what it says something about, and nothing else.
func TestAfterMaintenance(t *testing.T) {
	t.Parallel()
	earlier := metav1.NewTime(began.Add(-time.Hour))
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "CronJobCreated", LastTransitionTime: earlier}
	sick := metav1.Condition{Type: status.ConditionHealthy, Status: metav1.ConditionFalse, Reason: status.ReasonMaintenanceFailed, Message: "once", LastTransitionTime: earlier}
	before := status.Maintenance{
		LastMaintenanceTime: &earlier, LastManualSync: "tag-1", MaintenanceFailures: 2, Conditions: []metav1.Condition{ready, sick},
	}
	for outcome, want := range map[result.Outcome]struct {
		proved   bool
		failures int32
		health   metav1.ConditionStatus
		message  string
	}{
		result.Succeeded:             {true, 0, metav1.ConditionTrue, "Succeeded"},
		result.SucceededWithWarnings: {true, 0, metav1.ConditionTrue, "SucceededWithWarnings"},
		result.Failed:                {false, 3, metav1.ConditionFalse, "Failed"},
		result.Refused:               {false, 3, metav1.ConditionFalse, "Refused"},
		result.TimedOut:              {false, 3, metav1.ConditionFalse, "TimedOut"},
		result.Unknown:               {false, 3, metav1.ConditionFalse, "Unknown"},
		result.Cancelled:             {false, 2, metav1.ConditionFalse, "once"},
		result.Skipped:               {false, 2, metav1.ConditionFalse, "once"},
	} {
		after := status.AfterMaintenance(status.MaintenanceBeginning(before, began), finished(outcome))
		wantTime, wantTag := earlier.Time, "tag-1"
		if want.proved {
			wantTime, wantTag = ended, "tag-2"
		}
		if !after.LastMaintenanceTime.Time.Equal(wantTime) || after.LastManualSync != wantTag || after.MaintenanceFailures != want.failures {
			t.Errorf("%s: %+v", outcome, after)
		}
		byType := map[string]metav1.Condition{}
		for _, c := range after.Conditions {
			byType[c.Type] = c
		}
		if diff := cmp.Diff(ready, byType["Ready"]); diff != "" || len(after.Conditions) != 3 {
			t.Errorf("%s: the operator's condition has changed: %s\n%+v", outcome, diff, after.Conditions)
		}
		if c := byType[status.ConditionHealthy]; c.Status != want.health || c.Message != want.message || c.LastTransitionTime.Equal(&earlier) == want.proved {
			t.Errorf("%s: %+v", outcome, c)
		}
		if c := byType[status.ConditionProgressing]; c.Status != metav1.ConditionFalse || c.Reason != status.ReasonMaintenanceManual || !c.LastTransitionTime.Time.Equal(ended) {
			t.Errorf("%s: %+v", outcome, c)
		}
	}
}

func TestAScheduledMaintenanceSaysWhenItIsNext(t *testing.T) {
	t.Parallel()
	run := finished(result.Succeeded)
	next := ended.Add(time.Hour)
	run.Scheduled, run.Next = true, &next
	after := status.AfterMaintenance(status.Maintenance{}, run)
	if c := after.Conditions[0]; c.Reason != status.ReasonMaintenanceScheduled || !after.NextScheduledMaintenance.Time.Equal(next) {
		t.Errorf("%+v", after)
	}
	if c := status.MaintenanceBeginning(after, began).Conditions; len(c) != 2 || c[1].Type != status.ConditionProgressing || c[1].Status != metav1.ConditionTrue {
		t.Errorf("while it runs: %+v", c)
	}
}

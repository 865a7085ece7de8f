package status_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

var (
	began = time.Date(2026, 11, 22, 21, 5, 0, 0, time.UTC)
	ended = began.Add(90 * time.Second)
)

func finished(o result.Outcome) status.Run {
	return status.Run{
		Result:    result.Result{Outcome: o, Message: string(o), StartTime: began, EndTime: ended},
		ManualTag: "tag-2",
	}
}

func TestOnlyASynchronisationMovesTheLastSync(t *testing.T) {
	t.Parallel()
	earlier := metav1.NewTime(began.Add(-time.Hour))
	before := status.Status{LastSyncTime: &earlier, LastManualSync: "tag-1"}
	cases := map[result.Outcome]struct {
		synced bool
		mover  string
		reason string
	}{
		result.Succeeded:             {true, "Successful", status.ReasonManual},
		result.SucceededWithWarnings: {true, "Successful", status.ReasonManual},
		result.Unchanged:             {true, "Successful", status.ReasonManual},
		result.Skipped:               {false, "", status.ReasonManual},
		result.Incomplete:            {false, "Failed", status.ReasonError},
		result.Failed:                {false, "Failed", status.ReasonError},
		result.Refused:               {false, "Failed", status.ReasonError},
		result.TimedOut:              {false, "Failed", status.ReasonError},
		result.Cancelled:             {false, "Failed", status.ReasonError},
		result.Unknown:               {false, "Failed", status.ReasonError},
	}
	for outcome, want := range cases {
		after := status.After(before, finished(outcome))
		wantTime, wantTag := earlier.Time, "tag-1"
		if want.synced {
			wantTime, wantTag = ended, "tag-2"
		}
		if !after.LastSyncTime.Time.Equal(wantTime) || after.LastManualSync != wantTag {
			t.Errorf("%s: last sync %s %q, want %s %q", outcome, after.LastSyncTime, after.LastManualSync, wantTime, wantTag)
		}
		mover := ""
		if after.LatestMoverStatus != nil {
			mover = after.LatestMoverStatus.Result
		}
		if mover != want.mover || after.Conditions[0].Reason != want.reason {
			t.Errorf("%s: mover %q, reason %q; want %q, %q", outcome, mover, after.Conditions[0].Reason, want.mover, want.reason)
		}
	}
}

func TestScheduledSourceWaitsForItsSchedule(t *testing.T) {
	t.Parallel()
	run := finished(result.Succeeded)
	next := ended.Add(time.Hour)
	run.Scheduled, run.Next = true, &next
	after := status.After(status.Status{}, run)
	if after.Conditions[0].Reason != status.ReasonScheduled || !after.NextSyncTime.Time.Equal(next) {
		t.Errorf("reason %q, next %s", after.Conditions[0].Reason, after.NextSyncTime)
	}
	if got := after.LastSyncDuration.Duration; got != 90*time.Second {
		t.Errorf("duration %s", got)
	}
}

func TestConditionKeepsItsTransitionTime(t *testing.T) {
	t.Parallel()
	first := status.After(status.Status{}, finished(result.Succeeded))
	later := finished(result.Failed)
	later.Result.EndTime = ended.Add(time.Hour)
	second := status.After(first, later)
	if diff := cmp.Diff(first.Conditions[0].LastTransitionTime, second.Conditions[0].LastTransitionTime); diff != "" {
		t.Error(diff)
	}
}

func TestLogsAreCutToTheirEndAtACharacter(t *testing.T) {
	t.Parallel()
	run := finished(result.Failed)
	run.Result.Message = strings.Repeat("ä", 1000) + "x"
	logs := status.After(status.Status{}, run).LatestMoverStatus.Logs
	if len(logs) > 1024 || len(logs) < 1020 || !utf8.ValidString(logs) || !strings.HasSuffix(logs, "äx") {
		t.Errorf("%d bytes, valid %v, ends %q", len(logs), utf8.ValidString(logs), logs[len(logs)-5:])
	}
}

func TestALongMessageFitsACondition(t *testing.T) {
	t.Parallel()
	run := finished(result.Failed)
	run.Result.Message = strings.Repeat("ä", 20_000)
	message := status.After(status.Status{}, run).Conditions[0].Message
	if len(message) > 32768 || len(message) < 32766 || !utf8.ValidString(message) {
		t.Errorf("%d bytes, valid %v", len(message), utf8.ValidString(message))
	}
}

func TestHistoryKeepsTheLastTwentyAndAnswersForThem(t *testing.T) {
	t.Parallel()
	var h status.History
	if _, known := h.LastFiles(); h.Facts().LastSyncTime != nil || known {
		t.Error("an empty history has synced or knows a snapshot")
	}
	run := finished(result.Succeeded)
	run.Result.Snapshot = &result.Snapshot{Files: 3}
	h = h.Add(run)
	for range 25 {
		h = h.Add(finished(result.Failed))
	}
	if len(h.Results) != 20 || h.Results[0].Outcome != result.Failed {
		t.Errorf("%d results, first %s", len(h.Results), h.Results[0].Outcome)
	}
	if h.Facts().LastSyncTime == nil {
		t.Error("the status remembers the synchronisation that the history dropped")
	}
	if _, known := h.LastFiles(); known {
		t.Error("no snapshot is known any more")
	}
	h = h.Add(run)
	if files, known := h.LastFiles(); !known || files != 3 {
		t.Errorf("the newest snapshot held 3 files, got %d, %v", files, known)
	}
}

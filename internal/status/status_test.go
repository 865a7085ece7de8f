package status_test

import (
	"encoding/json"
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
	run.Result.Snapshot = &result.Snapshot{Files: 3, Proved: result.ProveBlobs}
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
	if files, known := h.LastFiles(); !known || files != 3 {
		t.Errorf("25 failures hide that the source held files: %d, %v", files, known)
	}
	h = h.Add(run)
	if files, known := h.LastFiles(); !known || files != 3 {
		t.Errorf("the newest snapshot held 3 files, got %d, %v", files, known)
	}
	run.Result.Snapshot = &result.Snapshot{Failed: 1, Ignored: 1, Proved: result.ProveBlobs}
	if files, known := h.Add(run).LastFiles(); !known || files != 2 {
		t.Errorf("a source whose two files could not be read held %d, %v", files, known)
	}
}

// TestOnlyAProvedSnapshotSaysHowManyFilesTheSourceHeld: an empty source is alarming
// when it held files before, and a snapshot that was cut short or that nobody has
// proved does not say how many.
func TestOnlyAProvedSnapshotSaysHowManyFilesTheSourceHeld(t *testing.T) {
	t.Parallel()
	run := finished(result.Succeeded)
	run.Result.Snapshot = &result.Snapshot{Files: 3, Proved: result.ProveBlobs}
	h := status.History{}.Add(run)
	for name, s := range map[string]*result.Snapshot{
		"cut short":  {Files: 0, Incomplete: "canceled"},
		"not proved": {Files: 0},
		"none":       nil,
	} {
		later := finished(result.Failed)
		later.Result.Snapshot = s
		if files, known := h.Add(later).LastFiles(); !known || files != 3 {
			t.Errorf("%s: %d, %v; want 3", name, files, known)
		}
	}
}

func TestTheMaintenanceScheduleIsTheOneSetLast(t *testing.T) {
	t.Parallel()
	var h status.History
	for _, repository := range []*result.RepositoryInfo{
		{UniqueID: "first", Maintenance: "--full-interval=2h0m0s"},
		{UniqueID: "second", Maintenance: "--full-interval=3h0m0s"},
		{UniqueID: "second"}, // of a run that did not come so far
		nil,
	} {
		run := finished(result.Failed)
		run.Result.Repository = repository
		h = h.Add(run)
	}
	want := &result.MaintenanceSet{Repository: "second", Schedule: "--full-interval=3h0m0s"}
	for range 25 {
		if diff := cmp.Diff(want, h.Facts().Maintenance); diff != "" {
			t.Fatalf("after %d runs (-want +got):\n%s", len(h.Results), diff)
		}
		h = h.Add(finished(result.Failed))
	}
}

// TestAHistoryFitsIntoAConfigMap: twenty Results with all that a mover can say.
func TestAHistoryFitsIntoAConfigMap(t *testing.T) {
	t.Parallel()
	run := finished(result.Failed)
	run.Result.APIVersion, run.Result.Kind = result.APIVersion, result.KindResult
	run.Result.Object = result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"}
	run.Result.Message = strings.Repeat("m", 100_000)
	run.Result.Warnings = []result.Warning{{Message: strings.Repeat("w", 100_000)}}
	var h status.History
	for range 25 {
		h = h.Add(run)
	}
	data, err := json.Marshal(h)
	if err != nil || len(data) > 200_000 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if got := h.Results[19]; got.Outcome != result.Failed || got.Object != run.Result.Object {
		t.Errorf("%+v", got)
	}
}

func TestTheStatusSaysThatAMoverRuns(t *testing.T) {
	t.Parallel()
	s := status.Beginning(began)
	if c := s.Conditions[0]; !s.LastSyncStartTime.Time.Equal(began) || c.Status != metav1.ConditionTrue || c.Reason != "SyncInProgress" {
		t.Errorf("%+v", s)
	}
	if after := status.After(s, finished(result.Succeeded)); after.LastSyncStartTime != nil || after.Conditions[0].Status != metav1.ConditionFalse ||
		!after.Conditions[0].LastTransitionTime.Time.Equal(ended) {
		t.Errorf("%+v", after)
	}
}

func TestNextRun(t *testing.T) {
	t.Parallel()
	if next := status.NextRun("0 3 * * *", began); next == nil || !next.Equal(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", next)
	}
	for _, none := range []string{"", "every day", "0 0 31 2 *"} {
		if next := status.NextRun(none, began); next != nil {
			t.Errorf("%q: %s", none, next)
		}
	}
}

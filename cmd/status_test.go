package cmd

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// TestStatusTellsWhyTheLastRunEnded, beside the snapshot of the last one that had one.
func TestStatusTellsWhyTheLastRunEnded(t *testing.T) {
	t.Parallel()
	got := judge(&k8s.Standing{Results: []result.Result{
		{Outcome: result.Succeeded, Snapshot: &result.Snapshot{ID: "abc", Proved: result.ProveBlobs}},
		{Outcome: result.Failed, Reason: "WrongPassword"},
	}}, time.Now())
	if got.Outcome != result.Failed || got.Last == nil || lastReason(got) != "WrongPassword" || got.Snapshot == nil || got.Snapshot.ID != "abc" {
		t.Errorf("%+v", got)
	}
	cut := result.Result{Outcome: result.Cancelled, Snapshot: &result.Snapshot{ID: "cut", Proved: result.ProveBlobs, Incomplete: "canceled"}}
	if got := judge(&k8s.Standing{Results: []result.Result{cut}, Snapshot: &result.Snapshot{ID: "abc"}}, time.Now()); got.Snapshot == nil || got.Snapshot.ID != "abc" {
		t.Errorf("a snapshot that was cut short stands for the last whole one: %+v", got.Snapshot)
	}
	if got := lastReason(judge(&k8s.Standing{}, time.Now())); got != "-" {
		t.Errorf("a source without a run ended because of %q", got)
	}
}

// TestWhenASourceIsOverdue: a schedule that was due more than an hour ago, and no
// success since, also when there never was one.
func TestWhenASourceIsOverdue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(hours int) *metav1.Time {
		m := metav1.NewTime(now.Add(-time.Duration(hours) * time.Hour))
		return &m
	}
	for name, c := range map[string]struct {
		standing k8s.Standing
		hours    int
	}{
		"synchronised today":               {k8s.Standing{Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(8)}}, 0},
		"not since yesterday":              {k8s.Standing{Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(30)}}, 9},
		"before its time in its zone":      {k8s.Standing{Schedule: "CRON_TZ=America/Los_Angeles 0 5 * * *", Status: status.Status{LastSyncTime: at(22)}}, 0},
		"after its time in its zone":       {k8s.Standing{Schedule: "CRON_TZ=America/Los_Angeles 0 1 * * *", Status: status.Status{LastSyncTime: at(26)}}, 3},
		"never, and made yesterday":        {k8s.Standing{Schedule: "0 3 * * *", Created: at(30).Time}, 9},
		"never, and made an hour ago":      {k8s.Standing{Schedule: "0 3 * * *", Created: at(1).Time}, 0},
		"never, and paused":                {k8s.Standing{Schedule: "0 3 * * *", Created: at(30).Time, Paused: true}, 0},
		"never, and known by history only": {k8s.Standing{Schedule: "0 3 * * *"}, 0},
		"synchronised in another time zone": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(14), NextSyncTime: at(-10)},
		}, 0},
		"not again in another time zone": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(26), NextSyncTime: at(2)},
		}, 2},
		"failed since": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(30), NextSyncTime: at(-15)},
			Results: []result.Result{{Outcome: result.Failed}},
		}, 9},
		"without a schedule":                  {k8s.Standing{Created: at(30).Time}, 0},
		"a schedule for the 31st of February": {k8s.Standing{Schedule: "0 0 31 2 *", Created: at(99).Time}, 0},
		"it runs since its time": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(30)}, Running: "x7k2q", RunningSince: at(9).Time,
		}, 0},
		"it runs since much later than its time": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(30)}, Running: "x7k2q", RunningSince: at(7).Time,
		}, 9},
		"it runs, and the run before it failed": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Status: status.Status{LastSyncTime: at(54)}, Running: "x7k2q", RunningSince: at(9).Time,
			Results: []result.Result{{Outcome: result.Failed, EndTime: at(32).Time}},
		}, 33},
		"skipped since, for there is nothing to back up": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Results: []result.Result{{Outcome: result.Skipped, EndTime: at(9).Time}},
		}, 0},
		"skipped before": {k8s.Standing{
			Schedule: "0 3 * * *", Created: at(99).Time, Results: []result.Result{{Outcome: result.Skipped, EndTime: at(33).Time}},
		}, 9},
	} {
		got := judge(&c.standing, now)
		if n := c.standing.Status.NextSyncTime; n != nil && n.After(now) && !got.Next.Equal(n.Time) {
			t.Errorf("%s: next at %s, want %s", name, got.Next, n)
		}
		if got.OverdueSeconds != int64(c.hours)*3600 {
			t.Errorf("%s: overdue by %ds, want %dh", name, got.OverdueSeconds, c.hours)
		}
	}
}

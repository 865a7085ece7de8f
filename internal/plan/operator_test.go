package plan_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// How long an operator counts as present must not depend on the hour at which
// somebody asks.
func TestAnOperatorIsPresentForTwiceTheLongestPauseOfItsSchedule(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for schedule, c := range map[string]struct{ present, gone time.Duration }{
		"0 2 * * *":          {47 * hour, 49 * hour},
		"0 8-18 * * *":       {27 * hour, 29 * hour},
		"0 2 1,2 * *":        {59 * 24 * hour, 61 * 24 * hour},
		"*/5 8-18 * * 1-5":   {120 * hour, 124 * hour},
		"* * * * *":          {59 * time.Minute, 61 * time.Minute},
		"0 0 29 2 *":         {2900 * 24 * hour, 5900 * 24 * hour},
		"not a schedule":     {59 * time.Minute, 61 * time.Minute},
		"0 0 30 2 *":         {59 * time.Minute, 61 * time.Minute},
		"@hourly":            {119 * time.Minute, 121 * time.Minute},
		"0,15,30,45 3 * * 6": {13 * 24 * hour, 15 * 24 * hour},
	} {
		t.Run(schedule, func(t *testing.T) {
			t.Parallel()
			for _, clock := range []string{"2026-11-22T21:05:00Z", "2026-11-23T07:59:00Z", "2026-12-01T01:00:00Z", "2026-12-01T12:30:00Z"} {
				now, err := time.Parse(time.RFC3339, clock)
				if err != nil {
					t.Fatal(err)
				}
				for age, want := range map[time.Duration][]string{c.present: {"VK515"}, c.gone: nil} {
					in := load(t, "snapshot")
					in.Env.Now = now
					in.Document.Source.Spec.Trigger = &spec.Trigger{Schedule: &schedule}
					in.Facts.Object.Managers = []plan.Manager{{Name: "manager", Time: metav1.NewTime(now.Add(-age))}}
					_, findings := plan.BuildBackup(in)
					if got := codesOf(findings, problem.Error); !slices.Equal(got, want) {
						t.Errorf("at %s, %s after its last change: %v, want %v", clock, age, got, want)
					}
				}
			}
		})
	}
}

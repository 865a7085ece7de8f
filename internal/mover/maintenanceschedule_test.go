package mover_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// cycle is what kopia maintenance info --json says of one.
type cycle struct {
	Enabled  bool
	Interval time.Duration
}

func (w *world) maintenance(t *testing.T) (quick, full cycle) {
	t.Helper()
	var info struct{ Quick, Full cycle }
	if err := json.Unmarshal([]byte(w.repo.Run(t, "maintenance", "info", "--json")), &info); err != nil {
		t.Fatal(err)
	}
	return info.Quick, info.Full
}

// The maintenance schedule is one of the repository: a run sets it that is the
// first of its source to want it, and no run after that.
func TestTheMaintenanceSchedule(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newBareWorld(t, kopia)
		run := func(when, structured string, processes int, quick, full cycle) *result.RepositoryInfo {
			t.Helper()
			w.task.Policy.Structured = []byte(structured)
			o := w.run(t)
			o.want(t, result.Succeeded, 0, "")
			if o.KopiaProcesses > processes {
				t.Errorf("%s: kopia was started %d times, not %d", when, o.KopiaProcesses, processes)
			}
			if q, f := w.maintenance(t); q != quick || f != full {
				t.Errorf("%s: quick %+v, full %+v; want %+v, %+v", when, q, f, quick, full)
			}
			w.task.Repository.Maintenance = &result.MaintenanceSet{Repository: o.Repository.UniqueID, Schedule: o.Repository.Maintenance}
			return o.Repository
		}
		const often = `{"maintenance":{"enabled":false,"quickCycle":{"interval":"2h","enabled":true},"fullCycle":{"interval":"48h"}}}`
		const seldom = `{"maintenance":{"fullCycle":{"interval":"12h"}}}`
		quick, halfDay, fiveHours := cycle{true, 2 * time.Hour}, cycle{false, 12 * time.Hour}, cycle{false, 5 * time.Hour}

		run("a new repository", often, 6, quick, cycle{false, 48 * time.Hour})
		got := run("another schedule for one that is there", seldom, 4, quick, halfDay)
		if got.Maintenance != "--full-interval=12h0m0s" {
			t.Errorf("the Result has the schedule %q", got.Maintenance)
		}
		run("the same again", seldom, 3, quick, halfDay)
		w.repo.Run(t, "maintenance", "set", "--full-interval=5h")
		run("set by hand since", seldom, 3, quick, fiveHours)
		w.task.Repository.Maintenance.Repository = "another"
		run("what is known is another repository's", seldom, 4, quick, halfDay)
		w.task.Repository.Maintenance = nil
		run("nothing is known", seldom, 4, quick, halfDay)
	})
}

func TestAMaintenanceScheduleThatCannotBeSetIsAWarning(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t, kopiatest.Kopia(t))
	w.task.Policy.Structured = []byte(`{"maintenance":{"fullCycle":{"interval":"48h"}}}`)
	w.shim(t, `case "$*" in *"maintenance set"*) echo "not today" >&2; exit 1;; esac`)
	o := w.run(t)
	o.want(t, result.SucceededWithWarnings, 0, "")
	if !slices.Equal(warned(o.Result), []string{"VK430"}) {
		t.Errorf("warnings %v", o.Warnings)
	}
}

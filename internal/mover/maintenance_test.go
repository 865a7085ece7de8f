package mover_test

import (
	"encoding/json"
	"slices"
	"strings"
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

// The maintenance schedule is one of the repository, and set when that is made.
func TestTheMaintenanceScheduleOfANewRepository(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newBareWorld(t, kopia)
		w.task.Policy.Structured = []byte(`{"maintenance":{"enabled":false,"quickCycle":{"interval":"2h","enabled":true},"fullCycle":{"interval":"48h"}}}`)
		o := w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.KopiaProcesses > 6 {
			t.Errorf("kopia was started %d times", o.KopiaProcesses)
		}
		check := func(when string) {
			t.Helper()
			if quick, full := w.maintenance(t); quick != (cycle{true, 2 * time.Hour}) || full != (cycle{false, 48 * time.Hour}) {
				t.Errorf("%s: quick %+v, full %+v", when, quick, full)
			}
		}
		check("created")
		w.task.Policy.Structured = []byte(`{"maintenance":{"fullCycle":{"interval":"12h"}}}`)
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.KopiaProcesses != 3 {
			t.Errorf("kopia was started %d times", o.KopiaProcesses)
		}
		check("a repository that exists keeps its own")
		if !strings.Contains(o.log, "VK310 the repository was there before") || !strings.Contains(o.log, "kopia maintenance set --full-interval=12h0m0s\n") {
			t.Errorf("the log does not say so:\n%s", o.log)
		}
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

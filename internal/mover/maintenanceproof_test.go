package mover

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// A cycle that failed is this run's own only where nobody else can have been at it: kopia
// ends with an error after one of its own.
func TestJudgeMaintenance(t *testing.T) {
	t.Parallel()
	gc, logs := result.MaintenanceCycle{Name: firstCycle}, result.MaintenanceCycle{Name: lastCycle}
	broken := result.MaintenanceCycle{Name: lastCycle, Error: "gone"}
	for name, row := range map[string]struct {
		cycles   []result.MaintenanceCycle
		finished bool
		reason   string
	}{
		"done":                              {[]result.MaintenanceCycle{gc, logs}, true, ""},
		"nothing on record":                 {nil, true, "MaintenanceNotRecorded"},
		"nothing at all":                    {nil, false, "MaintenanceNotRecorded"},
		"kopia has not finished":            {[]result.MaintenanceCycle{gc, logs}, false, "MaintenanceNotDone"},
		"another's failed, and kopia idled": {[]result.MaintenanceCycle{gc, broken}, false, "MaintenanceNotDone"},
		"a cycle failed":                    {[]result.MaintenanceCycle{gc, broken}, true, "MaintenanceCycleFailed"},
		"another's failed beside one's own": {[]result.MaintenanceCycle{gc, broken, logs}, true, "AnotherMaintenance"},
		"two at once":                       {[]result.MaintenanceCycle{gc, gc, logs}, true, "AnotherMaintenance"},
		"the last cycle is not on record":   {[]result.MaintenanceCycle{gc}, true, "MaintenanceIncomplete"},
		"the first one is not":              {[]result.MaintenanceCycle{logs}, true, "MaintenanceIncomplete"},
	} {
		if got := reasonOf(judgeMaintenance(row.cycles, row.finished)); got != row.reason {
			t.Errorf("%s: %q, want %q", name, got, row.reason)
		}
	}
}

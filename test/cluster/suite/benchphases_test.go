package suite

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// phase is one part of a run, and how long it took.
type phase struct {
	name string
	took time.Duration
}

// phases are how long each phase of a run took, by its events.
func (n *space) phases(events []byte, end time.Time) []phase {
	n.t.Helper()
	var all []phase
	var began time.Time
	for line := range bytes.Lines(events) {
		var e result.Event
		n.must(json.Unmarshal(line, &e))
		if e.Type != result.EventPhase {
			continue
		}
		if len(all) > 0 {
			all[len(all)-1].took = e.Time.Sub(began)
		}
		all, began = append(all, phase{name: e.Phase}), e.Time
	}
	if len(all) == 0 {
		n.t.Fatalf("the command tells no phase:\n%s", events)
	}
	all[len(all)-1].took = end.Sub(began)
	return all
}

// medianPhases are the medians of the runs' phases. Runs that do the same have the
// same ones, in the same order: if not, the test fails.
func medianPhases(t testing.TB, runs []measured) []phase {
	t.Helper()
	first := phaseNames(runs[0].phases)
	for _, m := range runs[1:] {
		if now := phaseNames(m.phases); !slices.Equal(first, now) {
			t.Errorf("no medians: the runs' phases differ, %v and %v", first, now)
			return nil
		}
	}
	all := make([]phase, len(first))
	for i, name := range first {
		all[i] = phase{name, median(runs, func(m measured) time.Duration { return m.phases[i].took })}
	}
	return all
}

func phaseNames(phases []phase) []string {
	all := make([]string, len(phases))
	for i, p := range phases {
		all[i] = p.name
	}
	return all
}

package kopiaexec

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Maintenance is what kopia maintenance info --json says of a repository, as far as
// it is used.
type Maintenance struct {
	// Owner is the user@host that may run it; empty: the repository names nobody.
	Owner string
	// NextFull is when the next full maintenance is due; nil: none was begun yet, or
	// the repository has the full one turned off.
	NextFull *time.Time
	// runs is the record, by the name of the cycle.
	runs map[string][]cycleRun
}

// cycleRun is the record of one cycle that came to its end, a good one or not.
type cycleRun struct {
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Success bool      `json:"success"`
	Error   string    `json:"error"`
}

// DecodeMaintenance reads what kopia maintenance info --json prints.
func DecodeMaintenance(stdout []byte) (Maintenance, error) {
	var info struct {
		Owner string `json:"owner"`
		Full  struct {
			Enabled bool `json:"enabled"`
		} `json:"full"`
		Schedule *struct {
			NextFull time.Time             `json:"nextFullMaintenance"`
			Runs     map[string][]cycleRun `json:"runs"`
		} `json:"schedule"`
	}
	if err := json.Unmarshal(stdout, &info); err != nil {
		return Maintenance{}, fmt.Errorf("decode kopia's maintenance info: %w", err)
	}
	if info.Schedule == nil {
		return Maintenance{}, errors.New("decode kopia's maintenance info: it has no schedule")
	}
	m := Maintenance{Owner: info.Owner, runs: info.Schedule.Runs}
	if next := info.Schedule.NextFull.UTC(); info.Full.Enabled && !next.IsZero() {
		m.NextFull = &next
	}
	return m, nil
}

// saidFinished is the line that ends the log of a full maintenance, a good one or not. A
// kopia that maintains nothing, as another process holds its lock, does not print it.
const saidFinished = "Finished full maintenance."

// FinishedMaintenance reports whether the log is that of a kopia that has itself come to
// the end of a full maintenance; by its exit code, whether that was a good one.
func FinishedMaintenance(log []string) bool { return slices.Contains(log, saidFinished) }

// Since returns the cycles that are on record here and were not before, in order of
// their start. The record does not say which client a cycle was by, nor is any clock
// asked: ours may differ from the one that wrote it.
func (m Maintenance) Since(before Maintenance) []result.MaintenanceCycle {
	type started struct {
		at    time.Time
		cycle result.MaintenanceCycle
	}
	var found []started
	for name, runs := range m.runs {
		for _, run := range runs {
			if slices.ContainsFunc(before.runs[name], func(old cycleRun) bool { return old.Start.Equal(run.Start) }) {
				continue
			}
			cycle := result.MaintenanceCycle{Name: name, Took: result.Duration(run.End.Sub(run.Start).Round(time.Millisecond))}
			if !run.Success {
				cycle.Error = cmp.Or(run.Error, "kopia has recorded no success")
			}
			found = append(found, started{run.Start, cycle})
		}
	}
	slices.SortFunc(found, func(a, b started) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.cycle.Name, b.cycle.Name))
	})
	var cycles []result.MaintenanceCycle
	for _, f := range found {
		cycles = append(cycles, f.cycle)
	}
	return cycles
}

package status

import (
	"encoding/json"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// History is what is kept of an object's runs: its status and the last Results,
// newest last.
type History struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Object     result.ObjectRef `json:"object"`
	Status     Status           `json:"status"`
	Results    []result.Result  `json:"results,omitempty"`
	// Snapshot is the last whole one that the Results no longer have.
	Snapshot *result.Snapshot `json:"snapshot,omitempty"`
	// Maintenance is the schedule last set that the Results no longer have.
	Maintenance *result.MaintenanceSet `json:"maintenance,omitempty"`
}

// KindHistory is the kind of a History document.
const KindHistory = "History"

// Add returns the history with one more run; the oldest Results go.
func (h History) Add(run Run) History {
	h.APIVersion, h.Kind, h.Object = result.APIVersion, KindHistory, run.Result.Object
	h.Status = After(h.Status, run)
	h.Results = append(slices.Clone(h.Results), bounded(run.Result))
	if extra := len(h.Results) - historyLength; extra > 0 {
		gone := History{Results: h.Results[:extra], Snapshot: h.Snapshot, Maintenance: h.Maintenance}
		h.Snapshot, h.Maintenance = gone.LastSnapshot(), gone.lastMaintenance()
		h.Results = h.Results[extra:]
	}
	return h
}

// bounded is a Result as a termination message would hold it. A ConfigMap has
// room for twenty of these, but not for twenty of any size. The object is
// kept in any case, because the history is found by it.
func bounded(r result.Result) result.Result {
	text, err := result.MarshalBounded(r, result.TerminationMessageBytes)
	if err != nil {
		return r // not even its core fits, and there is nothing to leave out
	}
	var small result.Result
	if err := json.Unmarshal(text, &small); err != nil {
		return r
	}
	small.Object = r.Object
	return small
}

// LastSnapshot returns the newest whole snapshot, however many runs have failed since;
// nil: none is known.
func (h History) LastSnapshot() *result.Snapshot {
	for _, r := range slices.Backward(h.Results) {
		if r.Snapshot.Whole() {
			return r.Snapshot
		}
	}
	return h.Snapshot
}

// LastFiles returns how many files the source held at the newest whole snapshot, what
// could not be read among them; false: none is known.
func (h History) LastFiles() (files int64, known bool) {
	if s := h.LastSnapshot(); s != nil {
		return s.SourceFiles(), true
	}
	return 0, false
}

// lastMaintenance returns the schedule that a repository was last given, however many
// runs have failed since; nil: none is known.
func (h History) lastMaintenance() *result.MaintenanceSet {
	for _, r := range slices.Backward(h.Results) {
		if r.Repository != nil && r.Repository.Maintenance != "" {
			return &result.MaintenanceSet{Repository: r.Repository.UniqueID, Schedule: r.Repository.Maintenance}
		}
	}
	return h.Maintenance
}

// Facts is what a plan wants to know of the history.
func (h History) Facts() *plan.History {
	facts := &plan.History{LastManualSync: h.Status.LastManualSync, LastSyncTime: h.Status.LastSyncTime, Maintenance: h.lastMaintenance()}
	if files, ok := h.LastFiles(); ok {
		facts.LastFiles = &files
	}
	return facts
}

package status

import (
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
}

// KindHistory is the kind of a History document.
const KindHistory = "History"

// Add returns the history with one more run; the oldest Results go.
func (h History) Add(run Run) History {
	h.APIVersion, h.Kind, h.Object = result.APIVersion, KindHistory, run.Result.Object
	h.Status = After(h.Status, run)
	h.Results = append(slices.Clone(h.Results), run.Result)
	if extra := len(h.Results) - historyLength; extra > 0 {
		h.Results = h.Results[extra:]
	}
	return h
}

// LastFiles returns how many files the newest known snapshot held; false: none
// is known.
func (h History) LastFiles() (files int64, known bool) {
	for _, r := range slices.Backward(h.Results) {
		if r.Snapshot != nil {
			return r.Snapshot.Files, true
		}
	}
	return 0, false
}

// Facts is what a plan wants to know of the history.
func (h History) Facts() *plan.History {
	facts := &plan.History{LastManualSync: h.Status.LastManualSync, LastSyncTime: h.Status.LastSyncTime}
	if files, ok := h.LastFiles(); ok {
		facts.LastFiles = &files
	}
	return facts
}

package result

import (
	"fmt"
	"reflect"
)

// Reduction is one step by which a Result is made to fit in a termination message.
type Reduction struct {
	// Fields are what it changes, by their names in JSON: "snapshot.tags".
	Fields []string
	// How says what becomes of them.
	How string
	// shrink makes a Result a little smaller; false: it has nothing left to give.
	shrink func(*Result) bool
}

// Reductions returns the steps in the order in which they are taken: what is
// worth least goes first.
func Reductions() []Reduction {
	const gone = "left out"
	return []Reduction{
		{[]string{"policy.notManaged"}, gone, dropNotManaged},
		{[]string{"policy.unchanged"}, "left out from the end, counted in `policy.omittedChanges`", cutUnchanged},
		{[]string{"policy.changes"}, "left out from the end, counted in `policy.omittedChanges`", cutChange},
		{[]string{"warnings"}, "left out from the end, counted in `omittedWarnings`", cutWarning},
		{[]string{"snapshot.errors"}, "left out from the end, counted in `snapshot.omittedErrors`", cutFileError},
		{[]string{"maintenance.cycles"}, "left out, counted in `maintenance.omittedCycles`", dropCycles},
		{[]string{"snapshot.tags", "snapshot.pins", "snapshot.retention"}, gone, dropLabels},
		cutTexts(400),
		{[]string{"phases", "actions", "cache"}, gone, dropRecord},
		cutTexts(120),
		{[]string{
			"object", "identity", "message", "hint", "repository", "policy", "restore", "kopiaVersion", "maintenance.owner", "maintenance.previousOwner", "maintenance.nextFull",
			"snapshot.identity", "snapshot.rootObject", "snapshot.uploadedBytes",
		}, gone, keepCore},
	}
}

func cutTexts(limit int) Reduction {
	return Reduction{[]string{"message", "hint"}, fmt.Sprintf("cut to %d bytes each", limit), shortenTexts(limit)}
}

func cutChange(r *Result) bool {
	if r.Policy == nil || len(r.Policy.Changes) == 0 {
		return false
	}
	cut := (len(r.Policy.Changes) + 3) / 4
	r.Policy.Changes = r.Policy.Changes[:len(r.Policy.Changes)-cut]
	r.Policy.OmittedChanges += cut
	return true
}

func dropNotManaged(r *Result) bool {
	if r.Policy == nil || r.Policy.NotManaged == nil {
		return false
	}
	r.Policy.NotManaged = nil
	return true
}

func cutUnchanged(r *Result) bool {
	if r.Policy == nil || len(r.Policy.Unchanged) == 0 {
		return false
	}
	cut := (len(r.Policy.Unchanged) + 3) / 4
	r.Policy.Unchanged = r.Policy.Unchanged[:len(r.Policy.Unchanged)-cut]
	r.Policy.OmittedChanges += cut
	return true
}

func cutWarning(r *Result) bool {
	if len(r.Warnings) == 0 {
		return false
	}
	cut := (len(r.Warnings) + 3) / 4
	r.Warnings = r.Warnings[:len(r.Warnings)-cut]
	r.OmittedWarnings += cut
	return true
}

func cutFileError(r *Result) bool {
	if r.Snapshot == nil || len(r.Snapshot.Errors) == 0 {
		return false
	}
	cut := (len(r.Snapshot.Errors) + 3) / 4
	r.Snapshot.Errors = r.Snapshot.Errors[:len(r.Snapshot.Errors)-cut]
	r.Snapshot.OmittedErrors += cut
	return true
}

// dropCycles drops the parts of a maintenance; one that failed is the Result's reason.
func dropCycles(r *Result) bool {
	if r.Maintenance == nil || r.Maintenance.Cycles == nil {
		return false
	}
	m := *r.Maintenance
	m.OmittedCycles, m.Cycles = m.Count(), nil
	r.Maintenance = &m
	return true
}

// dropLabels drops what the snapshot is marked with.
func dropLabels(r *Result) bool {
	if r.Snapshot == nil || r.Snapshot.Tags == nil && r.Snapshot.Pins == nil && r.Snapshot.Retention == nil {
		return false
	}
	r.Snapshot.Tags, r.Snapshot.Pins, r.Snapshot.Retention = nil, nil, nil
	return true
}

// dropRecord drops how the run went: phases, actions and the use of the cache.
func dropRecord(r *Result) bool {
	if r.Phases == nil && r.Actions == nil && r.Cache == nil {
		return false
	}
	r.Phases, r.Actions, r.Cache = nil, nil, nil
	return true
}

// shortenTexts cuts message and hint to at most limit bytes, once.
func shortenTexts(limit int) func(*Result) bool {
	return func(r *Result) bool {
		before := len(r.Message) + len(r.Hint)
		r.Message, r.Hint = cutText(r.Message, limit), cutText(r.Hint, limit)
		return len(r.Message)+len(r.Hint) < before
	}
}

// keepCore leaves what a verdict cannot do without.
func keepCore(r *Result) bool {
	core := Result{
		APIVersion: r.APIVersion, Kind: r.Kind, Operation: r.Operation, RunID: r.RunID,
		Outcome: r.Outcome, ExitCode: r.ExitCode, Reason: r.Reason,
		OmittedWarnings: r.OmittedWarnings, StartTime: r.StartTime, EndTime: r.EndTime,
		KopiaProcesses: r.KopiaProcesses,
	}
	if r.Snapshot != nil {
		core.Snapshot = &Snapshot{
			ID: r.Snapshot.ID, Files: r.Snapshot.Files, Dirs: r.Snapshot.Dirs, Size: r.Snapshot.Size,
			Failed: r.Snapshot.Failed, Ignored: r.Snapshot.Ignored, OmittedErrors: r.Snapshot.OmittedErrors,
			Incomplete: r.Snapshot.Incomplete, Proved: r.Snapshot.Proved,
			StartTime: r.Snapshot.StartTime, EndTime: r.Snapshot.EndTime,
		}
	}
	if r.Maintenance != nil {
		core.Maintenance = &MaintenanceReport{OmittedCycles: r.Maintenance.Count()}
	}
	changed := !reflect.DeepEqual(*r, core)
	*r = core
	return changed
}

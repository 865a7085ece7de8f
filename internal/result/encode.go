package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"
)

// TerminationMessageBytes is how much of a termination message Kubernetes
// keeps; the rest is cut without a word, which would leave broken JSON.
const TerminationMessageBytes = 4096

// MarshalBounded encodes r as one line of JSON of at most limit bytes.
//
// What does not fit is left out in order of worth: the list of snapshots, then
// policy changes, warnings and file errors from their ends (each with a count
// of what was omitted), then labels and timings, then the tails of long texts.
// Outcome, exit code, reason and the snapshot's id are never left out; when
// not even they fit, the error says so.
func MarshalBounded(r Result, limit int) ([]byte, error) {
	r = r.shallowClone()
	r.Snapshots = nil
	for _, shrink := range reductions() {
		data, err := marshalLine(r)
		if err != nil || len(data) <= limit {
			return data, err
		}
		if data, err = shrinkToFit(&r, limit, shrink); err != nil || data != nil {
			return data, err
		}
	}
	return nil, fmt.Errorf("result of run %q does not fit in %d bytes", r.RunID, limit)
}

// reduction makes a Result a little smaller; false: it has nothing left to give.
type reduction func(*Result) bool

// reductions are ordered by worth, least first.
func reductions() []reduction {
	return []reduction{cutChange, cutWarning, cutFileError, dropLabels, shortenTexts(400), dropTimings, shortenTexts(120), keepCore}
}

// shrinkToFit applies one reduction until r fits; nil data: it did not help enough.
func shrinkToFit(r *Result, limit int, shrink reduction) ([]byte, error) {
	for shrink(r) {
		data, err := marshalLine(*r)
		if err != nil || len(data) <= limit {
			return data, err
		}
	}
	return nil, nil
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

func dropLabels(r *Result) bool {
	if r.Snapshot == nil || r.Snapshot.Tags == nil && r.Snapshot.Pins == nil && r.Snapshot.Retention == nil {
		return false
	}
	r.Snapshot.Tags, r.Snapshot.Pins, r.Snapshot.Retention = nil, nil, nil
	return true
}

func dropTimings(r *Result) bool {
	if r.Phases == nil && r.Actions == nil && r.Cache == nil {
		return false
	}
	r.Phases, r.Actions, r.Cache = nil, nil, nil
	return true
}

// shortenTexts cuts every text for people to at most limit bytes, once.
func shortenTexts(limit int) reduction {
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
	changed := !reflect.DeepEqual(*r, core)
	*r = core
	return changed
}

// shallowClone copies what the reductions write to, so that the caller's
// Result stays whole.
func (r Result) shallowClone() Result {
	r.Warnings = slices.Clone(r.Warnings)
	if r.Policy != nil {
		p := *r.Policy
		r.Policy = &p
	}
	if r.Snapshot != nil {
		s := *r.Snapshot
		r.Snapshot = &s
	}
	return r
}

// cutText cuts s to at most limit bytes between two characters and marks the cut.
func cutText(s string, limit int) string {
	const mark = "..."
	if len(s) <= limit || limit <= len(mark) {
		return s
	}
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// EventLine encodes e as one line of a mover's log: the prefix, the JSON and a
// newline.
func EventLine(e Event) ([]byte, error) {
	e.APIVersion, e.Kind = APIVersion, KindEvent
	data, err := marshalLine(e)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(EventPrefix), data, []byte("\n")), nil
}

// marshalLine is json.Marshal without the escapes for HTML, which triple the
// size of a text with quotes from kopia.
func marshalLine(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

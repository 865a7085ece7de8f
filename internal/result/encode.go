package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// TerminationMessageBytes is how much of a termination message Kubernetes
// keeps; the rest is cut without a word, which would leave broken JSON.
const TerminationMessageBytes = 4096

// MarshalBounded encodes r as one line of JSON of at most limit bytes.
//
// The lists of snapshots and of problems are never in it. What else does not fit is left out by
// the steps of Reductions, one after the other. Outcome, exit code, reason and
// the snapshot's id are never left out; when not even they fit, the error says so.
func MarshalBounded(r Result, limit int) ([]byte, error) {
	r = r.shallowClone()
	r.Snapshots, r.Problems = nil, nil
	for _, step := range Reductions() {
		data, err := marshalLine(r)
		if err != nil || len(data) <= limit {
			return data, err
		}
		if data, err = shrinkToFit(&r, limit, step.shrink); err != nil || data != nil {
			return data, err
		}
	}
	return nil, fmt.Errorf("result of run %q does not fit in %d bytes", r.RunID, limit)
}

// shrinkToFit applies one reduction until r fits; nil data: it did not help enough.
func shrinkToFit(r *Result, limit int, shrink func(*Result) bool) ([]byte, error) {
	for shrink(r) {
		data, err := marshalLine(*r)
		if err != nil || len(data) <= limit {
			return data, err
		}
	}
	return nil, nil
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

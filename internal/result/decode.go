package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrNotEvent says that a log line is text for people.
var ErrNotEvent = errors.New("not an event line")

// Decode reads a Result from a termination message. It returns a Result only
// when the document is whole, of this version, and has an outcome, so that a
// mover that died half-way can never be taken for one that succeeded. A backup
// that succeeded names its snapshot and how that was proved, a maintenance counts
// the cycles that it was proved by.
func Decode(message []byte) (*Result, error) {
	var r Result
	if err := decodeOne(message, &r); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	return &r, nil
}

// DecodeEventLine reads one line of a mover's log, with or without its line
// end. ErrNotEvent: the line is not meant for machines.
func DecodeEventLine(line []byte) (*Event, error) {
	body, ok := bytes.CutPrefix(line, []byte(EventPrefix))
	if !ok || !bytes.HasPrefix(body, []byte("{")) {
		return nil, ErrNotEvent
	}
	var e Event
	if err := decodeOne(body, &e); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	if err := checkKind(e.APIVersion, e.Kind, KindEvent); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	if e.Type == "" {
		return nil, errors.New("decode event: no type")
	}
	if e.Type != EventResult {
		return &e, nil
	}
	if e.Result == nil {
		return nil, errors.New("decode event: a result event without a result")
	}
	if err := e.Result.check(); err != nil {
		return nil, fmt.Errorf("decode event: result: %w", err)
	}
	return &e, nil
}

// DecodeTask reads a Task. A field that this version does not know is an
// error: the mover must not run half of what was planned.
func DecodeTask(data []byte) (*Task, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var t Task
	if err := dec.Decode(&t); err != nil {
		return nil, fmt.Errorf("decode task: %w", err)
	}
	if err := checkKind(t.APIVersion, t.Kind, KindTask); err != nil {
		return nil, fmt.Errorf("decode task: %w", err)
	}
	return &t, nil
}

func decodeOne(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the end of the document")
	}
	return nil
}

func checkKind(apiVersion, kind, want string) error {
	if apiVersion != APIVersion {
		return fmt.Errorf("apiVersion is %q, want %q", apiVersion, APIVersion)
	}
	if kind != want {
		return fmt.Errorf("kind is %q, want %q", kind, want)
	}
	return nil
}

// Outcomes returns every outcome that a Result may have.
func Outcomes() []Outcome {
	return []Outcome{
		Succeeded, SucceededWithWarnings, Unchanged, Skipped, Incomplete,
		Failed, Refused, TimedOut, Cancelled, Unknown,
	}
}

// check refuses a Result that says nothing, or contradicts itself.
func (r *Result) check() error {
	if err := checkKind(r.APIVersion, r.Kind, KindResult); err != nil {
		return err
	}
	if !slices.Contains(Outcomes(), r.Outcome) {
		return fmt.Errorf("outcome is %q, which is not one", r.Outcome)
	}
	good := slices.Contains([]Outcome{Succeeded, SucceededWithWarnings, Unchanged, Skipped}, r.Outcome)
	if good != (r.ExitCode == 0) {
		return fmt.Errorf("outcome %s with exit code %d", r.Outcome, r.ExitCode)
	}
	// Nothing was proved of what was skipped.
	if !good || r.Outcome == Skipped {
		return nil
	}
	switch {
	case r.Operation == OperationBackup && (r.Snapshot == nil || r.Snapshot.ID == "" || r.Snapshot.Proved == ""):
		return fmt.Errorf("outcome %s of a backup without a proved snapshot", r.Outcome)
	case r.Operation == OperationMaintenance && (r.Maintenance == nil || r.Maintenance.Count() == 0):
		return fmt.Errorf("outcome %s of a maintenance without a cycle on record", r.Outcome)
	}
	return nil
}

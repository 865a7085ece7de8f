package result_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// large is a Result with n of everything that may be many, and texts of n bytes.
func large(n int) result.Result {
	r := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: result.OperationBackup, RunID: "run-1",
		Object:  result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"},
		Outcome: result.Incomplete, ExitCode: 4, Reason: "FilesUnreadable",
		Message: strings.Repeat("m\"☃", n), Hint: strings.Repeat("<h>", n),
		Identity:  result.Identity{Username: "u", Hostname: "h", Path: "/" + strings.Repeat("p", n)},
		Snapshot:  &result.Snapshot{ID: "3cf4ce5fefebc84e4ed189fe7f5d65a6", Incomplete: "canceled", Tags: map[string]string{}},
		Policy:    &result.PolicyReport{},
		StartTime: time.Unix(1, 0).UTC(), EndTime: time.Unix(2, 0).UTC(), KopiaProcesses: 3,
	}
	for i := range n {
		r.Warnings = append(r.Warnings, result.Warning{Code: "VK423", Message: fmt.Sprint("warning ", i)})
		r.Policy.Changes = append(r.Policy.Changes, result.PolicyChange{Target: "(global)", Path: fmt.Sprint("p", i), After: "1"})
		r.Snapshot.Errors = append(r.Snapshot.Errors, result.FileError{Path: fmt.Sprint("/data/", i), Error: "permission denied"})
		r.Snapshot.Tags[fmt.Sprint("tag", i)] = "v"
		r.Phases = append(r.Phases, result.Phase{Name: fmt.Sprint("phase", i)})
	}
	return r
}

func TestMarshalBoundedKeepsTheVerdict(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 5, 10, 30, 100, 1000, 5000} {
		r := large(n)
		before := large(n)
		data, err := result.MarshalBounded(r, result.TerminationMessageBytes)
		if err != nil {
			t.Fatalf("%d of everything: %v", n, err)
		}
		if len(data) > result.TerminationMessageBytes {
			t.Errorf("%d of everything: %d bytes", n, len(data))
		}
		got, err := result.Decode(data)
		if err != nil {
			t.Fatalf("%d of everything: %v\n%s", n, err, data)
		}
		if got.Outcome != r.Outcome || got.ExitCode != r.ExitCode || got.Reason != r.Reason || got.Snapshot.ID != r.Snapshot.ID || got.Snapshot.Incomplete != "canceled" {
			t.Errorf("%d of everything lost the verdict: %s", n, data)
		}
		if len(got.Warnings)+got.OmittedWarnings != n || len(got.Snapshot.Errors)+got.Snapshot.OmittedErrors != n {
			t.Errorf("%d of everything: %d+%d warnings, %d+%d errors", n, len(got.Warnings), got.OmittedWarnings, len(got.Snapshot.Errors), got.Snapshot.OmittedErrors)
		}
		if got.Policy != nil && len(got.Policy.Changes)+got.Policy.OmittedChanges != n {
			t.Errorf("%d of everything: %d+%d changes", n, len(got.Policy.Changes), got.Policy.OmittedChanges)
		}
		if diff := cmp.Diff(before, r); diff != "" {
			t.Errorf("the caller's result was changed:\n%s", diff)
		}
	}
}

func TestMarshalBoundedLeavesASmallResultWhole(t *testing.T) {
	t.Parallel()
	r := large(3)
	data, err := result.MarshalBounded(r, result.TerminationMessageBytes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := result.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, *got); diff != "" {
		t.Errorf("lost on the way:\n%s", diff)
	}
}

func TestMarshalBoundedSaysWhenNothingFits(t *testing.T) {
	t.Parallel()
	if data, err := result.MarshalBounded(large(1), 100); err == nil {
		t.Errorf("100 bytes gave %s", data)
	}
}

// What is too large may be a part that no single reduction knows.
func TestMarshalBoundedFallsBackToTheCore(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("p", result.TerminationMessageBytes)
	rows := map[string]result.Result{
		"a restore to a long path": {Restore: &result.RestoreReport{TargetDir: long}},
		"a maintenance of a long owner": {
			Operation:   result.OperationMaintenance,
			Maintenance: &result.MaintenanceReport{Owner: long, Cycles: []result.MaintenanceCycle{{Name: "snapshot-gc"}, {Name: "cleanup-logs"}}},
		},
		"a maintenance of many parts": {Operation: result.OperationMaintenance, Maintenance: &result.MaintenanceReport{Owner: "a@b", Cycles: slices.Repeat([]result.MaintenanceCycle{{Name: "snapshot-gc", Error: long}}, 20)}},
		"a snapshot of a long path":   {Snapshot: &result.Snapshot{ID: "abc", Identity: result.Identity{Path: long}}},
		"a repository of a long type": {Repository: &result.RepositoryInfo{Type: long}},
	}
	for name, r := range rows {
		r.APIVersion, r.Kind, r.Outcome, r.RunID = result.APIVersion, result.KindResult, result.Succeeded, "run-1"
		data, err := result.MarshalBounded(r, result.TerminationMessageBytes)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := result.Decode(data)
		if err == nil && r.Maintenance != nil && got.Maintenance.Count() != len(r.Maintenance.Cycles) {
			t.Errorf("%s: %d of %d cycles are counted", name, got.Maintenance.Count(), len(r.Maintenance.Cycles))
		}
		if err != nil || got.RunID != "run-1" || (r.Snapshot != nil) != (got.Snapshot != nil) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// FuzzMarshalBounded: whatever the texts of a Result are, it fits in a termination
// message, and what is read back has the outcome and the snapshot of the whole.
func FuzzMarshalBounded(f *testing.F) {
	f.Add("message", "hint", "/data", 3)
	f.Add("\x00\xff\"\\", "\u2028", strings.Repeat("\x01", 5000), 400)
	f.Fuzz(func(t *testing.T, message, hint, path string, n int) {
		r := large(max(0, n) % 500)
		r.Message, r.Hint, r.Identity.Path = message, hint, path
		data, err := result.MarshalBounded(r, result.TerminationMessageBytes)
		if err != nil || len(data) > result.TerminationMessageBytes {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		got, err := result.Decode(data)
		if err != nil || got.Outcome != r.Outcome || got.Snapshot.ID != r.Snapshot.ID {
			t.Fatalf("%v: %s", err, data)
		}
	})
}

func TestEventLineIsOneLineAndComesBack(t *testing.T) {
	t.Parallel()
	r := large(2)
	line, err := result.EventLine(result.Event{Type: result.EventResult, RunID: "run-1", Result: &r})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(line), "\n") != 1 || !strings.HasPrefix(string(line), "VK1 {") {
		t.Errorf("the line is %q", line)
	}
	e, err := result.DecodeEventLine(line)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&r, e.Result); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefusesWhatIsNoResult(t *testing.T) {
	t.Parallel()
	whole, err := result.MarshalBounded(large(1), result.TerminationMessageBytes)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{
		"nothing":               "",
		"an empty object":       "{}",
		"null":                  "null",
		"another version":       strings.Replace(string(whole), "volsync-kopia/v1", "volsync-kopia/v2", 1),
		"another kind":          strings.Replace(string(whole), `"kind":"Result"`, `"kind":"Plan"`, 1),
		"no outcome":            strings.Replace(string(whole), `"Incomplete"`, `""`, 1),
		"an unknown outcome":    strings.Replace(string(whole), `"Incomplete"`, `"Splendid"`, 1),
		"a success with code 4": strings.Replace(string(whole), `"Incomplete"`, `"Succeeded"`, 1),
		"a failure with code 0": strings.Replace(string(whole), `"exitCode":4`, `"exitCode":0`, 1),
		"cut short":             string(whole[:len(whole)-1]),
		"more than one":         string(whole) + string(whole),
		"a text for people":     "Error: out of memory",
	}
	for name, message := range rows {
		if r, err := result.Decode([]byte(message)); err == nil || r != nil {
			t.Errorf("%s decoded to %+v", name, r)
		}
	}
}

// A backup succeeded only if its snapshot was read back.
func TestDecodeRefusesASuccessWithoutProof(t *testing.T) {
	t.Parallel()
	proved := &result.Snapshot{ID: "3cf4ce5fefebc84e4ed189fe7f5d65a6", Proved: result.ProveBlobs}
	rows := map[string]struct {
		operation result.Operation
		outcome   result.Outcome
		snapshot  *result.Snapshot
		accepted  bool
	}{
		"proved":                  {result.OperationBackup, result.Succeeded, proved, true},
		"unchanged and proved":    {result.OperationBackup, result.Unchanged, proved, true},
		"no snapshot":             {result.OperationBackup, result.Succeeded, nil, false},
		"no id":                   {result.OperationBackup, result.Succeeded, &result.Snapshot{Proved: result.ProveBlobs}, false},
		"no proof":                {result.OperationBackup, result.Succeeded, &result.Snapshot{ID: proved.ID}, false},
		"no proof, with warnings": {result.OperationBackup, result.SucceededWithWarnings, &result.Snapshot{ID: proved.ID}, false},
		"no proof, unchanged":     {result.OperationBackup, result.Unchanged, &result.Snapshot{ID: proved.ID}, false},
		"an empty source":         {result.OperationBackup, result.Skipped, nil, true},
		"a restore":               {result.OperationRestore, result.Succeeded, &result.Snapshot{ID: proved.ID}, true},
		"a list":                  {result.OperationList, result.Succeeded, nil, true},
	}
	for name, row := range rows {
		checkDecodes(t, name, result.Result{Operation: row.operation, Outcome: row.outcome, Snapshot: row.snapshot}, row.accepted)
	}
}

// A maintenance succeeded only if it was found on record.
func TestDecodeRefusesAMaintenanceWithoutProof(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		outcome  result.Outcome
		report   *result.MaintenanceReport
		accepted bool
	}{
		"proved":            {result.Succeeded, &result.MaintenanceReport{Cycles: []result.MaintenanceCycle{{Name: "snapshot-gc"}}}, true},
		"proved, and cut":   {result.SucceededWithWarnings, &result.MaintenanceReport{OmittedCycles: 7}, true},
		"no report":         {result.Succeeded, nil, false},
		"nothing on record": {result.Succeeded, &result.MaintenanceReport{Owner: "a@b"}, false},
		"skipped":           {result.Skipped, nil, true},
	} {
		checkDecodes(t, name, result.Result{Operation: result.OperationMaintenance, Outcome: row.outcome, Maintenance: row.report}, row.accepted)
	}
}

// checkDecodes checks whether the Result is accepted, by either way that it travels.
func checkDecodes(t *testing.T, name string, r result.Result, accepted bool) {
	t.Helper()
	r.APIVersion, r.Kind = result.APIVersion, result.KindResult
	message, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	line, err := result.EventLine(result.Event{Type: result.EventResult, Result: &r})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := result.Decode(message); (err == nil) != accepted {
		t.Errorf("%s, as a message: %v", name, err)
	}
	if _, err := result.DecodeEventLine(line); (err == nil) != accepted {
		t.Errorf("%s, as an event: %v", name, err)
	}
}

func TestDecodeEventLine(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "kopia: VK1 {}", "VK1", "VK1 x", "VK10 {}"} {
		if _, err := result.DecodeEventLine([]byte(line)); !errors.Is(err, result.ErrNotEvent) {
			t.Errorf("%q: %v, want ErrNotEvent", line, err)
		}
	}
	for _, line := range []string{
		"VK1 {}", `VK1 {"apiVersion":"volsync-kopia/v1","kind":"Event"}`, `VK1 {"apiVersion":"volsync-kopia/v1","kind":"Event","type":"result"}`,
		`VK1 {"apiVersion":"volsync-kopia/v1","kind":"Event","type":"result","result":{}}`, `VK1 {"apiVersion":`,
	} {
		if e, err := result.DecodeEventLine([]byte(line)); err == nil || errors.Is(err, result.ErrNotEvent) {
			t.Errorf("%q: %+v, %v", line, e, err)
		}
	}
}

// FuzzDecode: what decodes is a Result or an Event with a meaning, and says
// nothing twice: its outcome is good exactly when its exit code is 0, and a
// backup that succeeded names a snapshot that was proved.
func FuzzDecode(f *testing.F) {
	whole, err := result.MarshalBounded(large(1), result.TerminationMessageBytes)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"apiVersion":"volsync-kopia/v1","kind":"Event","type":"result"}`))
	for _, outcome := range result.Outcomes() {
		for _, rest := range []string{`"exitCode":0`, `"exitCode":4`, `"exitCode":0,"snapshot":{"id":"a"}`, `"exitCode":0,"snapshot":{"id":"a","proved":"blobs"}`} {
			r := `{"apiVersion":"volsync-kopia/v1","kind":"Result","operation":"backup","outcome":"` + string(outcome) + `",` + rest + `}`
			f.Add([]byte(r))
			f.Add([]byte(`{"apiVersion":"volsync-kopia/v1","kind":"Event","type":"result","result":` + r + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := result.Decode(data)
		if (r == nil) == (err == nil) {
			t.Fatalf("%v and %v", r, err)
		}
		if r != nil {
			consistent(t, r)
		}
		e, err := result.DecodeEventLine(append([]byte(result.EventPrefix), data...))
		if (e == nil) == (err == nil) {
			t.Fatalf("%v and %v", e, err)
		}
		if e != nil && (e.Type == "" || e.Type == result.EventResult && e.Result == nil) {
			t.Fatalf("an event without a meaning: %+v", e)
		}
		if e != nil && e.Type == result.EventResult {
			consistent(t, e.Result)
		}
	})
}

// consistent fails for a Result that must not have been accepted.
func consistent(t *testing.T, r *result.Result) {
	t.Helper()
	if r.Kind != result.KindResult || !slices.Contains(result.Outcomes(), r.Outcome) {
		t.Fatalf("no result: %+v", r)
	}
	proved := r.Snapshot != nil && r.Snapshot.ID != "" && r.Snapshot.Proved != ""
	switch r.Outcome {
	case result.Succeeded, result.SucceededWithWarnings, result.Unchanged:
		if r.ExitCode != 0 || r.Operation == result.OperationBackup && !proved {
			t.Fatalf("a success with exit code %d, proved %v", r.ExitCode, proved)
		}
	case result.Skipped:
		if r.ExitCode != 0 {
			t.Fatalf("skipped with exit code %d", r.ExitCode)
		}
	case result.Incomplete, result.Failed, result.Refused, result.TimedOut, result.Cancelled, result.Unknown:
		if r.ExitCode == 0 {
			t.Fatalf("%s with exit code 0", r.Outcome)
		}
	}
}

func TestDecodeTaskRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	task := result.Task{APIVersion: result.APIVersion, Kind: result.KindTask, Operation: result.OperationBackup, GracePeriod: result.Duration(time.Minute)}
	data, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	got, err := result.DecodeTask(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&task, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"{}", strings.Replace(string(data), `"runID"`, `"runId2"`, 1)} {
		if _, err := result.DecodeTask([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

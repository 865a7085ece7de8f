package kopiaexec

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestDecodeSnapshot(t *testing.T) {
	t.Parallel()
	const printed = `{"id":"e4bd","source":{"host":"h","userName":"u","path":"/data/x"},"description":"",
"startTime":"2026-11-22T23:29:25.866160955Z","endTime":"2026-11-22T23:29:26Z","incomplete":"canceled",
"rootEntry":{"name":"src","type":"d","obj":"k0e49","summ":{"size":250000,"files":50,"dirs":1,"numFailed":1,"numIgnoredErrors":2,
"errors":[{"path":"private.key","error":"permission denied"}]}},"tags":{"tag:volsync-kopia-run":"r1"}}`
	got, err := DecodeSnapshot([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	want := &result.Snapshot{
		ID: "e4bd", Identity: result.Identity{Username: "u", Hostname: "h", Path: "/data/x"},
		StartTime: time.Date(2026, 11, 22, 23, 29, 25, 866160955, time.UTC), EndTime: time.Date(2026, 11, 22, 23, 29, 26, 0, time.UTC),
		RootObject: "k0e49", Files: 50, Dirs: 1, Size: 250000, Failed: 1, Ignored: 2, Incomplete: "canceled",
		Errors: []result.FileError{{Path: "private.key", Error: "permission denied"}},
		Tags:   map[string]string{"volsync-kopia-run": "r1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeSnapshotTellsNothingFromNonsense(t *testing.T) {
	t.Parallel()
	if s, err := DecodeSnapshot([]byte(" \n")); s != nil || err != nil {
		t.Errorf("empty output gave %v, %v", s, err)
	}
	for _, stdout := range []string{"{}", "Snapshot done", `{"id":"x"`, "[]", `{"id":"x"}{"id":"y"}`} {
		if s, err := DecodeSnapshot([]byte(stdout)); err == nil {
			t.Errorf("%q gave %+v", stdout, s)
		}
	}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	objects, problems, err := Verified([]byte(`{"stats":{"processedObjectCount":5003},"errorCount":0}`))
	if objects != 5003 || problems != nil || err != nil {
		t.Errorf("%d, %v, %v", objects, problems, err)
	}
	if _, problems, _ := Verified([]byte(`{"stats":{"processedObjectCount":3},"errorCount":1}`)); len(problems) != 1 {
		t.Errorf("an error without a text is lost: %v", problems)
	}
	for _, stdout := range []string{"", "{}", "null", "Finished"} {
		if _, _, err := Verified([]byte(stdout)); err == nil {
			t.Errorf("%q was taken for a verification", stdout)
		}
	}
}

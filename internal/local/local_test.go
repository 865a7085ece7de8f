package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

func object(name string) result.ObjectRef {
	return result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: name}
}

func TestObjectsDoNotShareState(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 100)
	seen := map[string]bool{}
	for _, o := range []result.ObjectRef{
		object("app"), object("app2"), object(long + "1"), object(long + "2"),
		{Kind: "ReplicationDestination", Namespace: "prod", Name: "app"},
		{Kind: "ReplicationSource", Namespace: "dev", Name: "app"},
	} {
		dir := StateOf("/state", o).dir
		if seen[dir] {
			t.Errorf("%s shares %s", o, dir)
		}
		seen[dir] = true
	}
}

func TestTheLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	state := StateOf(t.TempDir(), object("app"))
	unlock, err := state.Lock("run-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = state.Lock("run-2")
	if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "run run-1 (process ") {
		t.Errorf("the second lock: %v", err)
	}
	unlock()
	unlock, err = state.Lock("run-3")
	if err != nil {
		t.Fatalf("after the first was given back: %v", err)
	}
	unlock()
}

func TestALivingMoverKeepsItsSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := StateOf(dir, object("app"))
	unlock, err := state.Lock("run-1")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Begin(dir, "run-1", filepath.Join(dir, "work"))
	if err != nil {
		t.Fatal(err)
	}
	if err := HoldMoverLock(r.MoverLock()); err != nil {
		t.Fatal(err)
	}
	// The command dies: its locks go, its mover's stays.
	unlock()
	if err := r.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Lock("run-2"); fault.KindOf(err) != fault.Refused {
		t.Errorf("locked beside a living mover: %v", err)
	}
	if _, err := Begin(dir, "run-2", filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.dir); err != nil {
		t.Errorf("the run of a living mover was swept away: %v", err)
	}
}

func TestADeadRunIsSweptAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(filepath.Join(work, "repository"), 0o700); err != nil {
		t.Fatal(err)
	}
	dead, err := Begin(dir, "run-1", work)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.lock.Unlock(); err != nil { // as death does
		t.Fatal(err)
	}
	next, err := Begin(dir, "run-2", filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{work, dead.dir} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if err := next.End(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "runs", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestHistorySurvivesAndSaysWhatIsBroken(t *testing.T) {
	t.Parallel()
	state := StateOf(t.TempDir(), object("app"))
	h, err := state.History()
	if err != nil || len(h.Results) > 0 {
		t.Fatalf("an unknown object: %+v, %v", h, err)
	}
	r := result.Result{Outcome: result.Succeeded, EndTime: time.Unix(1, 0), Object: object("app"), Snapshot: &result.Snapshot{Files: 2}}
	for range 2 {
		if err := state.Record(status.Run{Result: r}); err != nil {
			t.Fatal(err)
		}
	}
	if h, err = state.History(); err != nil || len(h.Results) != 2 || !h.HasSynced() {
		t.Errorf("%d results, %v", len(h.Results), err)
	}
	if err := os.WriteFile(state.history, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.History(); err == nil || !strings.Contains(err.Error(), "read the local history") {
		t.Errorf("a broken history: %v", err)
	}
}

// inputSet holds one Secret with the keys.
func inputSet(t *testing.T, keys string) *spec.Set {
	t.Helper()
	set, problems := spec.Parse([]spec.Input{{Name: "x", Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: vault, namespace: prod}\nstringData: " + keys + "\n")}}, spec.Options{})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return set
}

func TestPrepareWritesKeysForThisUserAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	p := &plan.Prepare{
		Directories: []string{filepath.Join(dir, "work")},
		Files: []plan.PreparedDir{
			{Dir: filepath.Join(dir, "all"), Kind: spec.KindSecret, Name: "vault"},
			{Dir: filepath.Join(dir, "ca"), Kind: spec.KindSecret, Name: "vault", Key: "root.pem", File: "ca.crt"},
		},
	}
	if err := prepare(p, inputSet(t, "{a: '1', root.pem: pem}"), "prod"); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"all/a", "all/root.pem", "ca/ca.crt"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		got[name] = string(data)
	}
	if diff := cmp.Diff(map[string]string{"all/a": "1", "all/root.pem": "pem", "ca/ca.crt": "pem"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca", "a")); !os.IsNotExist(err) {
		t.Error("a key that was not asked for was written")
	}
	p.Files[0].Name = "absent"
	if err := prepare(p, inputSet(t, "{a: '1'}"), "prod"); fault.KindOf(err) != fault.Refused {
		t.Errorf("an absent Secret: %v", err)
	}
}

func TestAKeyCannotLeaveItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := writeKeys(plan.PreparedDir{Dir: filepath.Join(dir, "keys")}, map[string][]byte{"../escaped": []byte("x")})
	if err == nil {
		t.Error("written")
	}
	if _, err := os.Stat(filepath.Join(dir, "escaped")); !os.IsNotExist(err) {
		t.Error("the key left its directory")
	}
}

func TestTwoResultsMustAgree(t *testing.T) {
	t.Parallel()
	r := func(outcome result.Outcome, code int, id string) *result.Result {
		return &result.Result{
			APIVersion: result.APIVersion, Kind: result.KindResult, RunID: "run", Outcome: outcome, ExitCode: code, Snapshot: &result.Snapshot{ID: id},
		}
	}
	message := func(r *result.Result) []byte {
		if r == nil {
			return nil
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := r(result.Succeeded, 0, "a")
	cases := map[string]struct {
		event, written *result.Result
		agreed         bool
	}{
		"both":                  {good, good, true},
		"the event alone":       {good, nil, true},
		"the message alone":     {nil, good, true},
		"neither":               {nil, nil, false},
		"different outcomes":    {good, r(result.Failed, 1, "a"), false},
		"different snapshots":   {good, r(result.Succeeded, 0, "b"), false},
		"a message of nonsense": {nil, &result.Result{}, false},
	}
	for name, c := range cases {
		got, err := agree(c.event, message(c.written), 1, "run")
		if c.agreed != (err == nil) || c.agreed && got.Outcome != result.Succeeded {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err != nil && fault.KindOf(err).ExitCode() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWorkDirPrefersMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, want := WorkDir(dir, "r1"), filepath.Join(dir, "kubectl-volsync-kopia-r1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := WorkDir(filepath.Join(dir, "absent"), "r1"); strings.HasPrefix(got, dir) {
		t.Errorf("a missing runtime directory is used: %s", got)
	}
	if got := DefaultStateDir("", "/home/u"); got != "/home/u/.local/state/kubectl-volsync-kopia" {
		t.Error(got)
	}
	if got := DefaultStateDir("/x", "/home/u"); got != "/x/kubectl-volsync-kopia" {
		t.Error(got)
	}
}

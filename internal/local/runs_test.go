package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// begin begins a run that the test expects to begin.
func begin(t *testing.T, stateDir, runID, workDir string) *Run {
	t.Helper()
	r, err := Begin(stateDir, runID, workDir)
	if err != nil {
		t.Fatalf("begin %s: %v", runID, err)
	}
	return r
}

// die does to the run's record what the death of its command does.
func die(t *testing.T, r *Run) {
	t.Helper()
	if err := r.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// exists reports whether something is at the path.
func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
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
	r := begin(t, dir, "run-1", filepath.Join(dir, "work"))
	release, err := HoldMoverLock(r.MoverLock())
	if err != nil {
		t.Fatal(err)
	}
	// The command dies: its locks go, its mover's stays, also when memory that
	// nobody refers to is collected.
	unlock()
	die(t, r)
	for range 5 {
		runtime.GC()
		time.Sleep(5 * time.Millisecond) // finalizers run beside us
	}
	if _, err := state.Lock("run-2"); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "the command of run run-1 of this object is dead") {
		t.Errorf("locked beside a living mover: %v", err)
	}
	begin(t, dir, "run-2", filepath.Join(dir, "other"))
	if !exists(t, r.dir) {
		t.Error("the run of a living mover was swept away")
	}
	release()
	if unlock, err = state.Lock("run-3"); err != nil {
		t.Fatalf("after the mover's end: %v", err)
	}
	unlock()
}

func TestAMoverThatCannotBeAskedAboutKeepsItsSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := StateOf(dir, object("app"))
	unlock, err := state.Lock("run-1")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	r := begin(t, dir, "run-1", filepath.Join(dir, "work"))
	// A link to itself: opening it fails for a reason other than absence.
	if err := os.Remove(r.MoverLock()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Symlink(moverLock, r.MoverLock()); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Lock("run-2"); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "run run-1") {
		t.Errorf("locked beside a mover of which nothing is known: %v", err)
	}
}

func TestAMoverCannotLockARunThatIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := begin(t, dir, "run-1", filepath.Join(dir, "work"))
	// As in the middle of a sweep: the files go before their directory.
	if err := os.Remove(r.MoverLock()); err != nil {
		t.Fatal(err)
	}
	if _, err := HoldMoverLock(r.MoverLock()); err == nil {
		t.Error("locked")
	}
	if exists(t, r.MoverLock()) {
		t.Error("the lock was made anew, and keeps its directory from being removed")
	}
}

func TestADeadRunIsSweptAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(filepath.Join(work, "repository"), 0o700); err != nil {
		t.Fatal(err)
	}
	dead := begin(t, dir, "run-1", work)
	die(t, dead)
	// One that died before it had begun: it has made nothing.
	unborn := filepath.Join(dir, "runs", "run-0")
	if err := os.Mkdir(unborn, 0o700); err != nil {
		t.Fatal(err)
	}
	next := begin(t, dir, "run-2", filepath.Join(dir, "other"))
	for _, gone := range []string{work, dead.dir, unborn} {
		if exists(t, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if err := next.End(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "runs", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWhatADeadRunLeftStopsNoOtherRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		record string
		want   string
	}{
		"its directory cannot be removed": {`{"workDir":"FILE/below"}`, "not a directory"},
		"its record is cut off":           {`{"workDir":"`, "kubectl-volsync-kopia-run-1"},
		"its record names no directory":   {`{}`, "kubectl-volsync-kopia-run-1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			dead := begin(t, dir, "run-1", filepath.Join(dir, "work"))
			die(t, dead)
			if err := os.WriteFile(filepath.Join(dead.dir, recordFile), []byte(strings.ReplaceAll(c.record, "FILE", file)), 0o600); err != nil {
				t.Fatal(err)
			}
			next := begin(t, dir, "run-2", filepath.Join(dir, "other"))
			err := next.End()
			var f *fault.Error
			if !errors.As(err, &f) || fault.KindOf(err) != fault.Leftover || f.Where != dead.dir || !strings.Contains(err.Error()+f.Hint, c.want) {
				t.Errorf("the end of the next run says %v", err)
			}
			if exists(t, next.dir) || !exists(t, dead.dir) {
				t.Error("the next run is on record, or the dead one no longer")
			}
			if err := next.End(); err != nil {
				t.Errorf("a second end: %v", err)
			}
		})
	}
}

func TestARunStaysOnRecordAsLongAsItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	r := begin(t, dir, "run-1", work)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	if !exists(t, r.dir) {
		t.Fatal("nobody will find the directory again")
	}
	next := begin(t, dir, "run-2", filepath.Join(dir, "other"))
	if exists(t, work) || exists(t, r.dir) {
		t.Error("the next run has not removed it")
	}
	if err := next.End(); err != nil {
		t.Fatal(err)
	}
}

// TestRunsBeginAndEndAtTheSameTime: each sees the directories of all others come
// and go.
func TestRunsBeginAndEndAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			id := string(rune('a'+i%26)) + string(rune('a'+i/26))
			for range 3 {
				r, err := Begin(dir, id, filepath.Join(dir, "work-"+id))
				if err != nil {
					t.Errorf("begin: %v", err)
					return
				}
				if _, err := moverLives(dir, string(rune('a'+(i+1)%26))+"a"); err != nil {
					t.Errorf("ask for another: %v", err)
				}
				if err := r.End(); err != nil {
					t.Errorf("end: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "runs", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestTheLastStepTakesTheRunOffTheRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "runs", "broken")
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, recordFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target := &Target{WorkDir: work, Run: begin(t, dir, "run-1", work)}
	_, err := target.Do(t.Context(), plan.Step{Kind: plan.StepRemove}, nil)
	if fault.KindOf(err) != fault.Leftover || !strings.Contains(err.Error(), foreign) {
		t.Errorf("what a dead run left is not said: %v", err)
	}
	if exists(t, work) || exists(t, target.Run.dir) {
		t.Error("the run has left its directory or its record")
	}
}

// TestADoorThatStaysShutIsNotWaitedForWithoutLimit: whoever is inside was stopped.
func TestADoorThatStaysShutIsNotWaitedForWithoutLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	door := flock.New(filepath.Join(dir, "runs.lock"))
	if err := door.Lock(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := Begin(dir, "run-1", filepath.Join(dir, "work")); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "runs.lock") {
			t.Errorf("%v", err)
		}
	})
	if err := door.Unlock(); err != nil {
		t.Fatal(err)
	}
	begin(t, dir, "run-2", filepath.Join(dir, "work"))
}

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// Run is a run under way on this machine, on record so that what it leaves when
// it is killed can be found and removed by the next one.
type Run struct {
	dir  string
	lock *flock.Flock
}

// record is what the clean-up of a dead run needs to know.
type record struct {
	WorkDir string `json:"workDir"`
}

const (
	commandLock = "command.lock"
	moverLock   = "mover.lock"
	recordFile  = "run.json"
)

// Begin removes what dead runs left, then puts a new one on record.
func Begin(stateDir, runID, workDir string) (*Run, error) {
	r := &Run{dir: runDir(stateDir, runID)}
	if err := r.begin(stateDir, workDir); err != nil {
		if fault.KindOf(err) != fault.Failed {
			return nil, err
		}
		return nil, fault.New(fault.Failed, "put the run on record: %w", err).
			WithHint("the state directory must be writable; --state-dir names another one")
	}
	return r, nil
}

func runDir(stateDir, runID string) string { return filepath.Join(stateDir, "runs", runID) }

func (r *Run) begin(stateDir, workDir string) error {
	if err := os.MkdirAll(filepath.Dir(r.dir), privateDir); err != nil {
		return err
	}
	// One at a time, so that no sweep sees a run that has not locked itself yet.
	door := flock.New(filepath.Join(stateDir, "runs.lock"))
	if err := door.Lock(); err != nil {
		return err
	}
	defer func() { _ = door.Unlock() }()
	if err := sweep(stateDir); err != nil {
		return err
	}
	if err := os.Mkdir(r.dir, privateDir); err != nil {
		return err
	}
	r.lock = flock.New(filepath.Join(r.dir, commandLock))
	if err := r.lock.Lock(); err != nil {
		return err
	}
	data, err := json.Marshal(record{WorkDir: workDir})
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(r.dir, recordFile), data)
}

// moverLives reports whether the mover of a run whose command may be dead still
// works.
func moverLives(stateDir, runID string) bool {
	lock := flock.New(filepath.Join(runDir(stateDir, runID), moverLock))
	free, err := lock.TryLock()
	if err != nil {
		return false // no such run: its directory is gone
	}
	if free {
		_ = lock.Unlock()
	}
	return !free
}

// MoverLock is the file that the run's mover holds locked while it lives: it may
// outlive the command by the time that kopia needs for a checkpoint.
func (r *Run) MoverLock() string { return filepath.Join(r.dir, moverLock) }

// End takes the run off the record. Its work directory must be gone by then.
func (r *Run) End() error {
	err := os.RemoveAll(r.dir)
	return errors.Join(err, r.lock.Unlock())
}

// HoldMoverLock locks the file for the life of this process. It fails when the
// command that started this process has died and been cleaned up after.
func HoldMoverLock(name string) error {
	free, err := flock.New(name).TryLock()
	if err == nil && !free {
		err = errors.New("another process holds it")
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}

// sweep removes the runs of which neither command nor mover lives.
func sweep(stateDir string) error {
	dirs, err := filepath.Glob(filepath.Join(stateDir, "runs", "*"))
	if err != nil {
		return fmt.Errorf("look for dead runs: %w", err)
	}
	var all []error
	for _, dir := range dirs {
		if err := sweepRun(dir); err != nil {
			all = append(all, fault.New(fault.Leftover, "remove what a dead run left: %w", err).At(dir))
		}
	}
	return errors.Join(all...)
}

func sweepRun(dir string) error {
	for _, name := range []string{commandLock, moverLock} {
		lock := flock.New(filepath.Join(dir, name))
		free, err := lock.TryLock()
		if err != nil || !free {
			return err
		}
		defer func() { _ = lock.Unlock() }()
	}
	var r record
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err == nil && json.Unmarshal(data, &r) == nil && r.WorkDir != "" {
		if err := os.RemoveAll(r.WorkDir); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

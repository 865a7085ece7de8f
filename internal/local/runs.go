package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// Run is a run under way on this machine, on record so that what it leaves when
// it is killed can be found and removed by the next one.
type Run struct {
	dir, workDir string
	// lock is held while the command lives; nil once the run has ended.
	lock *flock.Flock
	// left are what dead runs left and could not be removed.
	left []error
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

// Begin removes what dead runs left, then puts a new one on record. What cannot
// be removed is no reason not to run: End tells of it.
func Begin(stateDir, runID, workDir string) (*Run, error) {
	r := &Run{dir: runDir(stateDir, runID), workDir: workDir}
	if err := r.begin(stateDir); fault.KindOf(err) == fault.Refused {
		return nil, err
	} else if err != nil {
		return nil, fault.New(fault.Failed, "put the run on record: %w", err).
			WithHint("the state directory must be writable; --state-dir names another one")
	}
	return r, nil
}

func runsDir(stateDir string) string       { return filepath.Join(stateDir, "runs") }
func runDir(stateDir, runID string) string { return filepath.Join(runsDir(stateDir), runID) }

func (r *Run) begin(stateDir string) error {
	if err := os.MkdirAll(runsDir(stateDir), privateDir); err != nil {
		return err
	}
	// One at a time, so that no sweep sees a run that has not locked itself yet.
	door := flock.New(filepath.Join(stateDir, "runs.lock"))
	if err := enter(door); err != nil {
		return err
	}
	defer func() { _ = door.Unlock() }()
	var err error
	if r.left, err = sweep(stateDir); err != nil {
		return err
	}
	if err := os.Mkdir(r.dir, privateDir); err != nil {
		return err
	}
	// Whoever locks the mover's file later does not make it.
	if err := os.WriteFile(r.MoverLock(), nil, privateFile); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(r.dir, commandLock))
	if err := lock.Lock(); err != nil {
		return err
	}
	r.lock = lock
	data, err := json.Marshal(record{WorkDir: r.workDir})
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(r.dir, recordFile), data)
}

// How often and how long the door is tried: whoever is inside removes what dead runs
// left, and may have been stopped in the middle of it.
const (
	doorEvery = 100 * time.Millisecond
	doorTries = 300
)

// enter locks the door, or gives up.
func enter(door *flock.Flock) error {
	for range doorTries {
		if free, err := door.TryLock(); err != nil || free {
			return err
		}
		time.Sleep(doorEvery)
	}
	return fault.New(fault.Refused, "another command has held it for %s", doorTries*doorEvery).At(door.Path()).
		WithHint("look for a command that hangs or was stopped (Ctrl-Z)")
}

// MoverLock is the file that the run's mover holds locked while it lives: it may
// outlive the command by the time that kopia needs for a checkpoint.
func (r *Run) MoverLock() string { return filepath.Join(r.dir, moverLock) }

// End takes the run off the record, unless its work directory is still there:
// the next run must find that. It returns what is left by then, of this run's
// record and of dead runs, each a fault.Leftover; the second call returns nil.
func (r *Run) End() error {
	if r.lock == nil {
		return nil
	}
	left := r.left
	if err := r.forget(); err != nil {
		left = append(left, fault.New(fault.Leftover, "take the run off the record: %w", err).At(r.dir))
	}
	r.lock = nil
	return errors.Join(left...)
}

// forget may meet a sweep in the same directory: both only remove.
func (r *Run) forget() error {
	if _, err := os.Lstat(r.workDir); !errors.Is(err, fs.ErrNotExist) {
		return r.lock.Unlock()
	}
	return errors.Join(os.RemoveAll(r.dir), r.lock.Unlock())
}

// existing locks a file that must exist: a lock that is made where a run's
// directory is being removed would keep the directory.
func existing(name string) *flock.Flock { return flock.New(name, flock.SetFlag(os.O_RDWR)) }

// moverLives reports whether the mover of a run whose command may be dead still
// works. The error: nobody knows.
func moverLives(stateDir, runID string) (bool, error) {
	lock := existing(filepath.Join(runDir(stateDir, runID), moverLock))
	free, err := lock.TryLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // no such run: its directory is gone
	}
	if err != nil {
		return false, err
	}
	if free {
		_ = lock.Unlock()
	}
	return !free, nil
}

// HoldMoverLock locks the file until release is called or this process dies. The
// caller must keep release: a lock that nobody refers to is collected as garbage.
// It fails when the command that started this process has died and been cleaned
// up after.
func HoldMoverLock(name string) (release func(), err error) {
	lock := existing(name)
	free, err := lock.TryLock()
	if err == nil && !free {
		err = errors.New("another process holds it")
	}
	if err == nil {
		// A sweep may have removed the file after it was opened.
		_, err = os.Lstat(name)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, errors.Join(err, lock.Unlock()))
	}
	return func() { _ = lock.Unlock() }, nil
}

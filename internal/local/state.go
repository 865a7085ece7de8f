// Package local keeps what local runs need on this machine: the state of each
// source, private directories, and the Target that does a plan's local steps.
package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

const (
	privateDir  fs.FileMode = 0o700
	privateFile fs.FileMode = 0o600
)

// State is what is kept of one object between local runs.
type State struct {
	stateDir, dir string
	// history holds the object's status.History as JSON.
	history string
	object  result.ObjectRef
}

// StateOf returns the state of an object below the state directory. Nothing is
// read or written yet.
func StateOf(stateDir string, object result.ObjectRef) State {
	history := filepath.FromSlash(plan.LocalHistory(filepath.ToSlash(stateDir), object))
	return State{stateDir: stateDir, dir: filepath.Dir(history), history: history, object: object}
}

// History reads what is known of earlier runs; an object that never ran has an
// empty history.
func (s State) History() (status.History, error) {
	var h status.History
	data, err := os.ReadFile(s.history)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		return h, fault.New(fault.Failed, "read the local history: %w", err).At(s.object.String()).
			WithHint("move the file away to begin a new history: " + s.history)
	}
	return h, nil
}

// Record adds a finished run to the history. The file is replaced in one step,
// so that a crash leaves the old one or the new one.
func (s State) Record(run status.Run) error {
	h, err := s.History()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(h.Add(run), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the local history: %w", err)
	}
	if err := replaceFile(s.history, append(data, '\n')); err != nil {
		return fmt.Errorf("write the local history: %w", err)
	}
	return nil
}

// replaceFile writes beside the file, then renames, each down to the disk.
func replaceFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), privateDir); err != nil {
		return err
	}
	part := name + ".part"
	if err := writeSynced(part, data); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		// Not every system can; the file is whole with or without it.
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

func writeSynced(name string, data []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, privateFile)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// holder says who has the lock of an object.
type holder struct {
	RunID string `json:"runID"`
	PID   int    `json:"pid"`
}

// Lock makes this run the only one of the object on this machine. It is given
// back by the returned function, and by the death of the process.
func (s State) Lock(runID string) (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, privateDir); err != nil {
		return nil, fault.New(fault.Failed, "make the state directory: %w", err)
	}
	lock := flock.New(filepath.Join(s.dir, "lock"))
	free, err := lock.TryLock()
	if err != nil {
		return nil, fault.New(fault.Failed, "lock the local state: %w", err)
	}
	who := filepath.Join(s.dir, "holder.json")
	by := readHolder(who)
	if err := s.checkHolder(free, by); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	data, err := json.Marshal(holder{RunID: runID, PID: os.Getpid()})
	if err == nil {
		err = replaceFile(who, data)
	}
	if err != nil {
		return nil, errors.Join(fault.New(fault.Failed, "write the lock's holder: %w", err), lock.Unlock())
	}
	return func() { _ = lock.Unlock() }, nil
}

// readHolder returns who had the lock last; nobody: the zero holder.
func readHolder(name string) holder {
	var h holder
	data, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(data, &h) != nil {
		return holder{}
	}
	return h
}

// checkHolder refuses while the run that had the lock last, or its mover, lives.
func (s State) checkHolder(free bool, by holder) error {
	busy := !free
	if free && by.RunID != "" {
		var err error
		if busy, err = moverLives(s.stateDir, by.RunID); err != nil {
			return fault.New(fault.Refused, "tell whether the mover of run %s still works: %w", by.RunID, err).
				At(s.object.String()).WithHint("when no mover of this object works on this machine, remove " + runDir(s.stateDir, by.RunID))
		}
	}
	switch {
	case !busy:
		return nil
	case free: // the lock died with the command
		return fault.New(fault.Refused, "the command of run %s of this object is dead, and its mover still saves what it has", by.RunID).
			At(s.object.String()).WithHint("wait for its end, and try again")
	}
	return fault.New(fault.Refused, "run %s (process %d) of this object is under way on this machine", by.RunID, by.PID).
		At(s.object.String()).WithHint("wait for its end, or stop that process")
}

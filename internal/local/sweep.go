package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// sweep removes the runs of which neither command nor mover lives, and returns
// what it could not remove. Nobody may put a run on record meanwhile.
func sweep(stateDir string) (left []error, err error) {
	entries, err := os.ReadDir(runsDir(stateDir))
	if err != nil {
		return nil, fmt.Errorf("look for dead runs: %w", err)
	}
	for _, entry := range entries {
		dir := runDir(stateDir, entry.Name())
		if err := sweepRun(dir); err != nil {
			left = append(left, fault.New(fault.Leftover, "remove what a dead run left: %w", err).At(dir).
				WithHint("remove "+workDirName(entry.Name())+" where it is, in the runtime directory, /dev/shm or the temporary one, and then "+dir))
		}
	}
	return left, nil
}

func sweepRun(dir string) error {
	for _, name := range []string{commandLock, moverLock} {
		lock := existing(filepath.Join(dir, name))
		free, err := lock.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it died before it had made it
		}
		if err != nil || !free {
			return err
		}
		defer func() { _ = lock.Unlock() }()
	}
	workDir, err := recordedWorkDir(dir)
	if err != nil {
		return err
	}
	if workDir != "" {
		if err := os.RemoveAll(workDir); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// recordedWorkDir returns the private directory of the run; a run without a
// record had not begun, and has none: "".
func recordedWorkDir(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("read its record: %w", err)
	}
	if r.WorkDir == "" {
		return "", errors.New("its record does not name its private directory")
	}
	return r.WorkDir, nil
}

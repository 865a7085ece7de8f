package local

import (
	"os"
	"path/filepath"
)

// WorkDir returns the path of a private directory for the run, on memory where
// this machine has a memory file system for it: kopia's config with the
// repository's credentials lives there and should never reach a disk.
func WorkDir(runtimeDir, runID string) string {
	for _, base := range []string{runtimeDir, "/dev/shm"} {
		if base == "" {
			continue
		}
		if info, err := os.Stat(base); err == nil && info.IsDir() {
			return filepath.Join(base, workDirName(runID))
		}
	}
	return filepath.Join(os.TempDir(), workDirName(runID))
}

func workDirName(runID string) string { return "kubectl-volsync-kopia-" + runID }

// DefaultStateDir returns where local state is kept when nobody says: below
// XDG_STATE_HOME, or its default. home is the user's home directory.
func DefaultStateDir(xdgStateHome, home string) string {
	if xdgStateHome == "" {
		xdgStateHome = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(xdgStateHome, "kubectl-volsync-kopia")
}

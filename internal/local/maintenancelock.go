package local

import (
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// MaintenanceLocks is the directory of the locks of the repositories that are being
// maintained from this machine: one for all objects and runs of the state directory.
func (r *Run) MaintenanceLocks() string {
	return filepath.Join(filepath.Dir(filepath.Dir(r.dir)), "maintenance")
}

// HoldMaintenance makes this process the only one with this directory of locks that
// maintains the repository, until release is called or the process dies. Two Secrets may
// name one repository, and one place may have two names: only the unique id, which kopia
// gives a repository, tells. The caller must keep release, as that of HoldMoverLock.
func HoldMaintenance(dir, uniqueID string) (release func(), err error) {
	if err := os.MkdirAll(dir, privateDir); err != nil {
		return nil, fault.New(fault.Refused, "make the directory of the locks: %w", err)
	}
	lock := flock.New(filepath.Join(dir, filepath.Base(uniqueID)+".lock"))
	free, err := lock.TryLock()
	if err != nil {
		return nil, fault.New(fault.Refused, "lock the maintenance of the repository: %w", err)
	}
	if !free {
		return nil, fault.New(fault.Refused, "another maintenance of this repository is under way on this machine").
			WithWhy("it may be one of another object, or by another Secret").WithHint("run it again when that one has ended")
	}
	return func() { _ = lock.Unlock() }, nil
}

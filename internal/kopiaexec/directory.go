package kopiaexec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

const (
	// formatFile is the format blob of a repository in a directory. Kopia keeps
	// names this short at the top, unless shardsFile says otherwise.
	formatFile = "kopia.repository.f"
	// VolumeDir is where the repository of a repositoryPVC lies on its volume.
	VolumeDir = "repository"
	// shardsFile says how kopia spreads files over directories. It writes one
	// wherever it looks for a repository.
	shardsFile = ".shards"
)

// DiagnoseDirectory looks without kopia whether dir can be a repository. It
// returns true, and what kopia's failure to open it would mean, when dir is
// missing or certainly holds none; false when that cannot be told without kopia.
// Nothing is written, whereas kopia would leave a file of its own behind.
func DiagnoseDirectory(dir string) (Diagnosis, bool) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return seen(ReasonStorageMissing, err.Error()), true
	case err != nil || !info.IsDir():
		return Diagnosis{}, false
	}
	for _, name := range []string{formatFile, shardsFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return Diagnosis{}, false
		}
	}
	d := seen(ReasonNotInitialized, fmt.Sprintf("%s holds no %s", dir, formatFile))
	if inner := filepath.Join(dir, VolumeDir); HoldsFormat(inner) {
		d.Hint = inner + " holds a repository: name that directory"
	}
	return d, true
}

// HoldsFormat reports whether dir holds a repository's format blob where kopia
// puts it unless told otherwise.
func HoldsFormat(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, formatFile))
	return err == nil
}

// KopiaWouldWrite reports whether kopia, even when it opens the repository in
// dir for reading alone, would write there how its files are spread. Where it
// cannot, it tries for many seconds.
func KopiaWouldWrite(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, shardsFile))
	return errors.Is(err, fs.ErrNotExist)
}

// FormatID reads the unique id of the repository in dir, in hex, from the format
// blob itself.
func FormatID(dir string) (string, error) { return formatID(filepath.Join(dir, formatFile)) }

// IsData reports whether a file of the name, at the top of a repository's place,
// is anybody's data: the note that an attempt of kopia's to open the place has
// left is none, and neither is the lock of a run that makes a repository.
func IsData(name string) bool { return name != shardsFile && name != creationLock }

// creationLock is held while a repository is made, and then removed.
const creationLock = ".volsync-kopia-create.lock"

// lockRetry is how often a lock that is held is tried again.
const lockRetry = 100 * time.Millisecond

// HoldForCreation makes this run the only one that may make a repository in dir,
// and waits for the one that does until ctx ends. Between a look at an empty
// directory and its creation another run could make one, too, and kopia would
// write one repository over the other. release gives the place back.
func HoldForCreation(ctx context.Context, dir string) (release func(), err error) {
	name := filepath.Join(dir, creationLock)
	for {
		lock := flock.New(name, flock.SetPermissions(0o666)) // sources may run as different users
		if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
			return nil, fmt.Errorf("lock the place of the repository: %w", err)
		}
		held, err := lock.Stat()
		there, missing := os.Stat(name)
		if err == nil && missing == nil && os.SameFile(held, there) {
			return func() {
				_ = os.Remove(name)
				_ = lock.Unlock()
			}, nil
		}
		// The run before this one has removed the file that was waited for.
		_ = lock.Unlock()
	}
}

// seen is the diagnosis of what was found without kopia, with the meaning that
// the table has for the reason.
func seen(reason Reason, what string) Diagnosis {
	for _, row := range openingClasses() {
		if row.reason == reason {
			return Diagnosis{Kind: row.kind, Reason: reason, Seen: what, Why: row.why, Hint: row.hint}
		}
	}
	return Diagnosis{Kind: fault.Repository, Reason: reason, Seen: what}
}

package mover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// backedUpBefore is why an automatic creation does not happen.
const backedUpBefore = "it is not created anew, for this source has been backed up before"

// mayWriteHint is the way out where the volume of a repository belongs to root.
const mayWriteHint = "set spec.kopia.moverSecurityContext.fsGroup, so that the mover may write to the volume"

// create makes the repository, if nothing speaks against it and no other run
// has made it meanwhile. An automatic creation needs proof that nothing was
// there: an unmounted export or a mistyped path must not become a new, empty
// repository.
func (d *driver) create(ctx context.Context, why kopiaexec.Diagnosis) error {
	automatic := d.task.Repository.Create == result.CreateAuto
	if automatic && d.task.Repository.SourceHasSynced {
		return failed(string(why.Reason), why.Err("open the repository, and "+backedUpBefore).
			WithHint("check that the right volume or bucket is there; if it is, --create-repository=always"))
	}
	place := d.place.Storage.Filesystem
	if place == nil {
		return d.initialize(ctx)
	}
	notCreated := func(err error) error {
		return failed(string(why.Reason), fault.New(fault.Repository, "the repository is not created: %w", err).WithHint(why.Hint))
	}
	if err := makeDirectory(place); errors.Is(err, fs.ErrPermission) {
		why.Reason, why.Hint = kopiaexec.ReasonPermissionDenied, mayWriteHint
		return notCreated(err)
	} else if err != nil {
		return notCreated(err)
	}
	release, err := d.holdForCreation(ctx, place.Path)
	if err != nil {
		return err
	}
	defer release()
	if kopiaexec.HoldsFormat(place.Path) {
		d.log.sayf("Another run has created the repository meanwhile.")
		return nil
	}
	if automatic {
		if err := checkEmpty(place.Path, ""); err != nil {
			return notCreated(err)
		}
	}
	if err := d.initialize(ctx); err != nil {
		return err
	}
	// Where kopia was told to put the format blob somewhere else, there is nothing
	// to compare with later.
	d.createdID, _ = kopiaexec.FormatID(place.Path)
	return nil
}

// creationWait is how long another run may take to make the repository.
const creationWait = 5 * time.Minute

// holdForCreation keeps other runs from making the repository at the same time.
// A place that cannot be locked is no reason to fail: kopia says better what is
// the matter with a read-only one, and some network file systems have no locks.
func (d *driver) holdForCreation(ctx context.Context, dir string) (release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, creationWait)
	defer cancel()
	release, err = kopiaexec.HoldForCreation(limited, dir)
	switch {
	case ctx.Err() != nil:
		return nil, stopOf(ctx, "; no snapshot was made")
	case limited.Err() != nil:
		return nil, failed("RepositoryBusy", fault.New(fault.Repository, "another run has been creating the repository for %s: %w", creationWait, err).
			WithHint("see what became of that run; then run again"))
	case err != nil:
		d.log.sayf("%v; another run that makes a repository here now would not be seen.", err)
		return func() {}, nil
	}
	return release, nil
}

// initialize runs kopia's own creation.
func (d *driver) initialize(ctx context.Context) error {
	d.log.sayf("No repository found; creating one.")
	token, err := d.config.CreateToken()
	if err != nil {
		return failed("Create", err)
	}
	// Creating connects too, which writes a config with the credentials and
	// touches a cache: both are thrown away.
	scratch := filepath.Join(d.task.WorkDir, "create")
	defer os.RemoveAll(scratch)
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return failed("Create", fault.New(fault.Failed, "make a directory for the creation: %w", err))
	}
	creation := d.settings.Creation
	command := argv.RepositoryCreate(argv.Paths{ConfigFile: filepath.Join(scratch, "kopia.config"), LogDir: d.paths.LogDir}, argv.CreateOptions{
		Hash: creation.Hash, Encryption: creation.Encryption, Splitter: creation.Splitter,
		ECC: creation.ECC, ECCOverheadPercent: creation.ECCOverheadPercent,
		CacheDirectory: filepath.Join(scratch, "cache"),
	})
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: command, Stdin: bytes.NewReader(token.Reveal())})
	if err != nil {
		return failed("Create", err)
	}
	if !out.OK() {
		return diagnosed("create the repository", out)
	}
	d.res.Repository.Created = true
	d.log.sayf("Created a new repository in %s storage.", d.place.Type())
	return nil
}

// replacedError says that the repository is not the one that it was: what the
// run has written went to the other one, or was lost with it.
func replacedError(was string) error {
	return failed("RepositoryReplaced", fault.New(fault.Repository,
		"the place holds another repository than %s: somebody has made it anew during the run", was).
		WithHint("run again when nobody else creates a repository there; what this run has written is not to be relied on"))
}

// checkNotReplaced compares the repository that the last process opened with the
// one that the run began with.
func (d *driver) checkNotReplaced() error {
	id, err := d.cache.UniqueID()
	if err != nil {
		return failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	if id != d.res.Repository.UniqueID {
		return replacedError("the one that the run began with")
	}
	return nil
}

// makeDirectory makes a missing directory of a repository, only directly below
// the root of an empty volume. Another run may make it at the same time.
func makeDirectory(place *result.FilesystemStorage) error {
	missing, err := mayMakeDirectory(place)
	if err != nil || !missing {
		return err
	}
	if err := os.Mkdir(place.Path, 0o770); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// mayMakeDirectory reports whether the directory is missing and may be made; the
// error says why it cannot be used.
func mayMakeDirectory(place *result.FilesystemStorage) (missing bool, err error) {
	_, err = os.Stat(place.Path)
	if !errors.Is(err, fs.ErrNotExist) || !place.MakeOnEmptyVolume {
		return false, err
	}
	return true, checkEmpty(filepath.Dir(place.Path), place.Path)
}

// checkEmpty fails on the first file below dir, but not below except.
// Directories without files do not count, and neither do the file system's own
// lost+found and what is nobody's data at the top.
func checkEmpty(dir, except string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case path == except || path == filepath.Join(dir, lostFound) && err == nil && entry.IsDir():
			return fs.SkipDir
		case err != nil:
			return err
		case !entry.IsDir() && (filepath.Dir(path) != dir || kopiaexec.IsData(entry.Name())):
			return fmt.Errorf("%s is not empty: it holds %s", dir, path)
		}
		return nil
	})
}

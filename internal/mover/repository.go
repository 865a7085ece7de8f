package mover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// open runs the first command on the repository and makes sure that the cache
// belongs to it. It returns the command's standard output.
//
// The command starts with no cached format blob and no cached listing, so it
// sees the repository as it is; if the cache turns out to be another one's, it
// is emptied and the command runs again.
func (d *driver) open(ctx context.Context, command argv.Command) ([]byte, error) {
	if err := d.cache.Prepare(); err != nil {
		return nil, failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	wasEmpty := d.cache.Empty()
	out, emptied, err := d.first(ctx, command, wasEmpty)
	if err != nil {
		return nil, err
	}
	id, err := d.cache.UniqueID()
	if err != nil {
		return nil, failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	d.res.Repository.UniqueID = id
	if !d.cache.Belongs(id, wasEmpty || emptied) {
		d.log.sayf("The cache belongs to another repository and is emptied.")
		if err := d.cache.Wipe(); err != nil {
			return nil, failed("Cache", fault.New(fault.Failed, "%w", err))
		}
		if out, _, err = d.first(ctx, command, true); err != nil {
			return nil, err
		}
	}
	if err := d.cache.Claim(id); err != nil {
		return nil, failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	return out.Stdout, nil
}

// first runs the command; a missing repository is created where that is
// allowed, and a failure without a known reason is tried once more with an
// empty cache, for the kept one may be what is broken. It reports whether that
// was so: then the cache holds nothing but what the command has put there.
func (d *driver) first(ctx context.Context, command argv.Command, wasEmpty bool) (out kopiaexec.Output, emptied bool, err error) {
	if err := d.look(ctx); err != nil {
		return out, false, err
	}
	if out, err = d.runner.Run(ctx, kopiaexec.Call{Command: command}); err != nil {
		return out, false, failed("Kopia", err)
	}
	if out.OK() || ctx.Err() != nil || out.Signal != 0 {
		return out, false, d.opened(out)
	}
	diagnosis := kopiaexec.Diagnose(out.Log)
	switch {
	case d.mayCreate(diagnosis.Reason):
		if err := d.create(ctx, diagnosis); err != nil {
			return out, false, err
		}
		if out, err = d.runner.Run(ctx, kopiaexec.Call{Command: command}); err != nil {
			return out, false, failed("Kopia", err)
		}
	case !wasEmpty && diagnosis.Reason == kopiaexec.ReasonKopia:
		return d.withEmptyCache(ctx, command)
	}
	return out, false, d.opened(out)
}

// withEmptyCache runs the command with an empty cache in the place of the kept
// one, which comes back when it turns out not to have been at fault: it may be
// gigabytes that somebody has paid for.
func (d *driver) withEmptyCache(ctx context.Context, command argv.Command) (kopiaexec.Output, bool, error) {
	d.log.sayf("The repository cannot be opened with this cache; trying once more with an empty one.")
	if err := d.cache.SetAside(); err != nil {
		return kopiaexec.Output{}, false, failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: command})
	if err != nil {
		err = failed("Kopia", err)
	} else {
		err = d.opened(out)
	}
	settle := d.cache.Forget
	if err != nil {
		settle = d.cache.PutBack
	}
	if lost := settle(); lost != nil {
		// Never a reason to fail: an empty cache serves as well.
		d.log.sayf("%v", lost)
	}
	return out, err == nil, err
}

// look recognises a directory that certainly holds no repository before kopia,
// which would write into it, is started there. The repository is created where
// that is allowed; whatever cannot be told without kopia is left to it.
func (d *driver) look(ctx context.Context) error {
	place := d.place.Storage.Filesystem
	if place == nil {
		return nil
	}
	diagnosis, certain := kopiaexec.DiagnoseDirectory(place.Path)
	switch {
	case !certain:
		return nil
	case d.mayCreate(diagnosis.Reason):
		return d.create(ctx, diagnosis)
	}
	return failed(string(diagnosis.Reason), diagnosis.Err("open the repository"))
}

func (d *driver) opened(out kopiaexec.Output) error {
	if out.OK() {
		return nil
	}
	return diagnosed("open the repository", out)
}

// mayCreate reports whether a failure to open is one that creation can mend.
func (d *driver) mayCreate(reason kopiaexec.Reason) bool {
	if d.task.Operation != result.OperationBackup || d.task.Repository.Create == result.CreateNever || d.task.Repository.Create == "" {
		return false
	}
	return reason == kopiaexec.ReasonNotInitialized ||
		reason == kopiaexec.ReasonStorageMissing && d.place.Storage.Filesystem.MakeOnEmptyVolume
}

// create makes the repository, if nothing speaks against it. An automatic
// creation needs proof that nothing was there: an unmounted export or a
// mistyped path must not become a new, empty repository.
func (d *driver) create(ctx context.Context, why kopiaexec.Diagnosis) error {
	automatic := d.task.Repository.Create == result.CreateAuto
	if automatic && d.task.Repository.SourceHasSynced {
		return failed(string(why.Reason), why.Err("open the repository, and it is not created anew, for this source has been backed up before").
			WithHint("check that the right volume or bucket is there; if it is, --create-repository=always"))
	}
	if err := makeDirectory(d.place.Storage.Filesystem, automatic); err != nil {
		return failed(string(why.Reason), fault.New(fault.Repository, "the repository is not created: %w", err).WithHint(why.Hint))
	}
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

// makeDirectory sees to it that the repository's directory is there, and for
// an automatic creation that it is empty. It makes a missing one only
// directly below the root of an empty volume.
func makeDirectory(place *result.FilesystemStorage, automatic bool) error {
	_, err := os.Stat(place.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && place.MakeOnEmptyVolume:
		if err := checkEmpty(filepath.Dir(place.Path)); err != nil {
			return err
		}
		return os.Mkdir(place.Path, 0o770)
	case err != nil:
		return err
	case automatic:
		return checkEmpty(place.Path)
	}
	return nil
}

// shardsFile is written by kopia when it opens a directory, also one that holds
// no repository; here only by an older release or somebody else's kopia.
const shardsFile = ".shards"

// checkEmpty fails on the first file below dir. Directories without files do
// not count, and neither do the file system's own lost+found and the file that
// an attempt of kopia's to open it has left.
func checkEmpty(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case path == filepath.Join(dir, lostFound) && entry.IsDir():
			return fs.SkipDir
		case err != nil:
			return err
		case !entry.IsDir() && path != filepath.Join(dir, shardsFile):
			return fmt.Errorf("%s is not empty: it holds %s", dir, path)
		}
		return nil
	})
}

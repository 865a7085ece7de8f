package mover

import (
	"context"

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
	if d.createdID != "" && id != d.createdID {
		return nil, replacedError("the one that this run has created")
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
	if d.task.Operation != result.OperationBackup || d.readOnly || d.task.Repository.Create == result.CreateNever || d.task.Repository.Create == "" {
		return false
	}
	return d.creatable(reason)
}

// creatable reports whether a failure to open means that there is no repository,
// in a place where one could be.
func (d *driver) creatable(reason kopiaexec.Reason) bool {
	place := d.place.Storage.Filesystem
	return reason == kopiaexec.ReasonNotInitialized ||
		reason == kopiaexec.ReasonStorageMissing && place != nil && place.MakeOnEmptyVolume
}

package mover

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// phaseMaintenance is the phase in which kopia maintains.
const phaseMaintenance = "maintenance"

// maintain does the full maintenance of a repository and proves it by the record
// that kopia keeps there. It never creates a repository.
func (d *driver) maintain(ctx context.Context) error {
	if err := d.readSecret(); err != nil {
		return err
	}
	if err := d.chooseMaintainer(); err != nil {
		return err
	}
	d.findOnClaim()
	if err := d.findKopia(ctx); err != nil {
		return err
	}
	if err := d.resolveSettings(); err != nil {
		return err
	}
	if err := d.configure(); err != nil {
		return err
	}
	d.begin("repository")
	stdout, err := d.open(ctx, argv.MaintenanceInfo(d.paths))
	if err != nil {
		return err
	}
	if hold := d.options.HoldMaintenance; hold != nil {
		release, err := hold(d.res.Repository.UniqueID)
		if err != nil {
			return failed("MaintenanceUnderWay", err)
		}
		defer release()
	}
	before, err := decodeMaintenance(stdout)
	if err != nil {
		return err
	}
	d.res.Maintenance = &result.MaintenanceReport{Owner: before.Owner, NextFull: before.NextFull}
	if err := d.own(ctx, before.Owner); err != nil {
		return err
	}
	return d.runMaintenance(ctx, before)
}

// chooseMaintainer lets the Secret say whom kopia must know as the owner; only the
// mover may read it, so the plan cannot know.
func (d *driver) chooseMaintainer() error {
	username, hostname, given, err := d.keys.Maintainer(argv.MaintenanceHostname)
	if err != nil {
		return refused("RepositorySecret", fault.New(fault.Refused, "%w", err).At(d.secretName()).
			WithHint("write a name, as maintenance, or a name and a host, as maintenance@volsync"))
	}
	if given {
		d.res.Identity = result.Identity{Username: username, Hostname: hostname}
		d.log.sayf("The repository Secret says that %s maintains the repository.", d.res.Identity)
	}
	return nil
}

// findOnClaim looks where on a claim the repository is, of which the manifest says
// nothing else: that of a source's repositoryPVC is in a directory of its own.
func (d *driver) findOnClaim() {
	place := d.place.Storage.Filesystem
	if place == nil || !place.Mounted || kopiaexec.HoldsFormat(place.Path) {
		return
	}
	if inner := filepath.Join(place.Path, kopiaexec.VolumeDir); kopiaexec.HoldsFormat(inner) {
		d.log.sayf("The repository is in %s.", inner)
		d.place.Storage.Filesystem = &result.FilesystemStorage{Path: inner}
	}
}

func decodeMaintenance(stdout []byte) (kopiaexec.Maintenance, error) {
	m, err := kopiaexec.DecodeMaintenance(stdout)
	if err != nil {
		return m, failed("UnreadableResult", fault.New(fault.Failed, "%w", err))
	}
	return m, nil
}

// own makes sure that the repository's maintenance is this run's to do. Kopia has one
// owner so that no two clients maintain at once, which could lose data: it is never
// taken unasked.
func (d *driver) own(ctx context.Context, owner string) error {
	wanted := d.res.Identity.String()
	if owner == wanted {
		return nil
	}
	if !d.task.Maintenance.TakeOwnership {
		return notOwner(owner, wanted)
	}
	d.begin("ownership")
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.MaintenanceOwner(d.paths, wanted)})
	switch {
	case ctx.Err() != nil && !out.OK():
		return stopOf(ctx, fmt.Sprintf("; no maintenance was begun, and %s may own it now", wanted))
	case err != nil:
		return failed("Kopia", err)
	case !out.OK():
		return diagnosed("take the ownership of the maintenance", out)
	}
	d.res.Maintenance.Owner, d.res.Maintenance.PreviousOwner = wanted, owner
	d.log.sayf("Took the maintenance of the repository over from %s: its owner is %s now.", called(owner), wanted)
	return nil
}

// notOwner refuses a repository that somebody else maintains.
func notOwner(owner, wanted string) error {
	err := fault.New(fault.Refused, "the maintenance of the repository belongs to %s, not to %s", called(owner), wanted)
	hint := fmt.Sprintf("let %s run it; or, when it no longer does, make %s the owner: --take-ownership", owner, wanted)
	if owner == "" {
		err = err.WithWhy("kopia names an owner when it creates a repository, and finds none when what says so is gone from the storage")
		hint = fmt.Sprintf("look whether the snapshots are all there: kopia snapshot list --all; when they are, make %s the owner: --take-ownership", wanted)
	}
	return refused(string(kopiaexec.ReasonNotOwner), err.WithHint(hint))
}

// called is an owner in a sentence.
func called(owner string) string {
	if owner == "" {
		return "nobody"
	}
	return owner
}

// runMaintenance lets kopia maintain, and reads back what came of it.
func (d *driver) runMaintenance(ctx context.Context, before kopiaexec.Maintenance) error {
	d.begin(phaseMaintenance)
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.MaintenanceRun(d.paths)})
	switch {
	case ctx.Err() != nil && !out.OK():
		return d.stoppedMaintaining(ctx, out)
	case err != nil:
		return failed("Kopia", err)
	case !out.OK():
		// What it has done by then is on record, and worth telling.
		if after, err := d.readRecord(ctx); err == nil {
			d.tell(before, after)
		}
		return final(diagnosed("maintain the repository", out))
	}
	return d.proveMaintenance(ctx, before, out.Log)
}

// stoppedMaintaining is the end of a run that was told to stop. Kopia does not listen
// for a signal while it maintains: SIGTERM ends it at once, between two writes.
func (d *driver) stoppedMaintaining(ctx context.Context, out kopiaexec.Output) error {
	what := "; kopia ended in the middle of the maintenance: what it has done stays, and the next one does the rest"
	if out.ExitCode < 0 && out.Signal == 0 {
		what = "; no maintenance was begun"
	}
	if from := d.res.Maintenance.PreviousOwner; from != "" {
		what += fmt.Sprintf("; the ownership, taken over from %s, stays with %s", from, d.res.Maintenance.Owner)
	}
	return stopOf(ctx, what)
}

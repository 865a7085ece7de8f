package mover

import (
	"context"
	"errors"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// probe tells a plan what only the repository knows: whether it is there, and
// what a run would change in its policies. It writes nothing to it, so that its
// volume may be mounted read-only. That there is no repository is an answer, too.
func (d *driver) probe(ctx context.Context) error {
	d.readOnly = true
	if err := d.readSecret(); err != nil {
		return err
	}
	if err := d.findKopia(ctx); err != nil {
		return err
	}
	if err := d.resolvePolicies(policy.SourceTarget(d.task.Identity), nil); err != nil {
		return err
	}
	if err := d.configure(); err != nil {
		return err
	}
	d.begin("repository")
	if err := d.checkProbeWritesNothing(); err != nil {
		return err
	}
	stdout, err := d.open(ctx, argv.PolicyExport(d.paths))
	if err != nil {
		return d.absent(err)
	}
	now, err := policy.ParseExport(stdout)
	if err != nil {
		return failed("Policy", err)
	}
	d.begin("policy")
	d.chooseIdentity(now)
	if err := d.checkActions(now); err != nil {
		return err // as the run would be
	}
	diff := d.comparePolicies(now)
	d.res.Policy = &result.PolicyReport{Changes: diff.Changes, Unchanged: diff.Same, NotManaged: diff.NotManaged}
	d.res.Message = fmt.Sprintf("a %s repository; a run would change %s", d.place.Type(), count(int64(len(diff.Changes)), "policy value", "policy values"))
	return nil
}

// chooseIdentity takes the other identity where only that one has been backed up:
// which one a run will use depends on the volume, and a probe has none.
func (d *driver) chooseIdentity(now policy.Export) {
	other := d.task.Otherwise
	if other == nil {
		return
	}
	target := policy.SourceTarget(*other)
	_, first := now[policy.SourceTarget(d.task.Identity)]
	if _, second := now[target]; second && !first {
		d.res.Identity = *other
		d.settings.Desired = d.settings.Desired.For(target)
	}
}

// checkProbeWritesNothing refuses the one place that kopia would write to: a
// repository from which a file of kopia's own is missing.
func (d *driver) checkProbeWritesNothing() error {
	place := d.place.Storage.Filesystem
	if place == nil || !kopiaexec.HoldsFormat(place.Path) || !kopiaexec.KopiaWouldWrite(place.Path) {
		return nil
	}
	return failed("ProbeWouldWrite", fault.New(fault.Repository,
		"%s holds a repository without the file .shards, which kopia would write there; a probe writes nothing", place.Path).
		WithHint("plan without --connect; a run of kopia that may write makes the file"))
}

// absent turns the failure to find a repository into the answer that there is
// none, with what a run would do about it; other failures stay what they are.
func (d *driver) absent(err error) error {
	if !d.creatable(kopiaexec.Reason(reasonOf(err))) {
		return err
	}
	absence := &result.Absence{Found: d.log.redact(err.Error())}
	d.res.Message = "there is no repository; a run would create it"
	if barred := d.barred(); barred != nil {
		absence.Barred = d.log.redact(barred.Error())
		d.res.Message = "there is no repository, and a run would not create it: " + absence.Barred
	}
	d.res.Repository.Absent = absence
	return nil
}

// barred says why a run would not create the repository here; nil: it would. It
// judges as create does, and writes nothing.
func (d *driver) barred() error {
	mode := d.task.Repository.Create
	automatic := mode == result.CreateAuto
	switch {
	case mode == result.CreateNever || mode == "":
		return errors.New("--create-repository=never does not allow it")
	case automatic && d.task.Repository.SourceHasSynced:
		return errors.New(backedUpBefore)
	}
	place := d.place.Storage.Filesystem
	if place == nil {
		return nil
	}
	missing, err := mayMakeDirectory(place)
	if err != nil || missing || !automatic {
		return err
	}
	return checkEmpty(place.Path, "")
}

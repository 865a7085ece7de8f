package mover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// backup makes one snapshot and proves it.
func (d *driver) backup(ctx context.Context) error {
	src, err := d.prepareSource(ctx)
	if err != nil || d.res.Outcome == result.Skipped {
		return err
	}
	if err := d.readSecret(); err != nil {
		return err
	}
	if err := d.checkApart("the source", src.dir); err != nil {
		return err
	}
	if err := d.findKopia(ctx); err != nil {
		return err
	}
	if err := d.resolvePolicies(policy.SourceTarget(d.res.Identity), src.layers()); err != nil {
		return err
	}
	if err := d.configure(); err != nil {
		return err
	}
	if err := d.preparePolicies(ctx, src); err != nil {
		return err
	}
	a, err := d.snapshotWithActions(ctx, src)
	if err != nil || d.res.Outcome == result.Skipped {
		return err
	}
	return d.follow(ctx, a)
}

// prepareSource finds the directory, and ends the run at an empty one unless
// an action may still fill it.
func (d *driver) prepareSource(ctx context.Context) (source, error) {
	d.begin("source")
	task := d.task.Backup
	src, err := findSource(task.Root, task.SourcePath)
	if err != nil {
		return src, err
	}
	if src.shortened {
		d.warn("VK420", fmt.Sprintf("sourcePath %q does not exist in the volume; read as %q, without the mount path", task.SourcePath, src.rel))
	}
	d.res.Identity.Path = src.recordedPath(d.res.Identity.Path, task)
	if len(src.layers()) > 0 {
		d.log.sayf("VK421 the root-only directory %s is left out of the snapshot", lostFound)
	}
	if task.Actions != nil && task.Actions.Before != "" {
		return src, nil
	}
	return src, d.checkNotEmpty(ctx, src)
}

// preparePolicies opens the repository and brings its policies up to date, if
// what they hold does not stand in the way.
func (d *driver) preparePolicies(ctx context.Context, src source) error {
	d.begin("repository")
	stdout, err := d.open(ctx, argv.PolicyExport(d.paths))
	if err != nil {
		return err
	}
	now, err := policy.ParseExport(stdout)
	if err != nil {
		return failed("Policy", err)
	}
	d.begin("policy")
	if err := d.checkActions(now); err != nil {
		return err
	}
	if err := d.checkSchedule(now, src); err != nil {
		return err
	}
	if err := d.applyPolicies(ctx, now); err != nil {
		return err
	}
	d.scheduleMaintenance(ctx) // now that nothing refuses the run
	return nil
}

// snapshotWithActions runs the before-action, kopia, and, whatever came
// of them, the after-action: it is there to undo what the other did.
func (d *driver) snapshotWithActions(ctx context.Context, src source) (a attempt, err error) {
	defer func() {
		if err = reached(ctx, err); err != nil {
			d.phaseFailed()
		}
		d.afterAction(ctx)
	}()
	if err := d.beforeAction(ctx); err != nil {
		return a, err
	}
	if err := src.lookAgain(d.task.Backup); err != nil {
		return a, err
	}
	if err := d.checkNotEmpty(ctx, src); err != nil || d.res.Outcome == result.Skipped {
		return a, err
	}
	return d.snapshot(ctx, src)
}

// snapshot runs kopia snapshot create and reads what it printed.
func (d *driver) snapshot(ctx context.Context, src source) (attempt, error) {
	d.begin("snapshot")
	d.sayParallel()
	command := argv.SnapshotCreate(d.paths, argv.SnapshotOptions{
		Path: src.dir, Source: argv.SnapshotSource(src.dir, d.res.Identity),
		Tags: d.task.Backup.Tags, Extra: d.task.Backup.Args, Progress: true,
	})
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: command})
	a, err := attemptOf(out, err, ctx.Err() != nil)
	if a.snapshot != nil {
		a.snapshot.UploadedBytes = out.Progress.UploadedBytes
		d.boundErrors(a.snapshot)
		d.log.sayf("Kopia printed snapshot %s: %s, %s.", a.snapshot.ID, files(a.snapshot.Files), size(a.snapshot.Size))
		d.log.event(result.Event{Type: result.EventSnapshot, Snapshot: a.snapshot})
	}
	if err == nil && d.fallsShort(a) { // the proof that follows is of what there is
		d.phaseFailed()
	}
	return a, err
}

// fallsShort reports whether the attempt is not what was wanted, whatever its proof
// will say.
func (d *driver) fallsShort(a attempt) bool {
	v := judge(a)
	return v != complete && v != unchanged || a.snapshot != nil && a.snapshot.Ignored > 0 && d.task.Backup.Strict
}

// sayParallel names the number of parallel uploads, wherever it comes from.
func (d *driver) sayParallel() {
	for _, arg := range d.task.Backup.Args {
		if n, ok := strings.CutPrefix(arg, "--parallel="); ok {
			d.log.sayf("Parallel uploads: %s", n)
			return
		}
	}
	for _, target := range slices.Backward(d.settings.Desired.Targets()) {
		for _, v := range d.settings.Desired.Values(target) {
			if v.Path == "upload.maxParallelFileReads" && !v.Sensitive {
				d.log.sayf("Parallel uploads: %s", v.JSON)
				return
			}
		}
	}
}

// follow does what the verdict on the attempt asks for.
func (d *driver) follow(ctx context.Context, a attempt) error {
	switch judge(a) {
	case cancelled:
		return d.cancelledWith(ctx, a)
	case notSaved:
		return final(d.notSavedError(a.out))
	case unchanged:
		return d.proveNewest(ctx)
	case complete, incomplete, doubtful: // to be proved
	}
	if err := d.prove(ctx, a.snapshot); err != nil {
		if ctx.Err() != nil {
			return d.cancelledWith(ctx, a)
		}
		return notProved(a, err)
	}
	d.res.Snapshot = a.snapshot
	return final(d.provedWith(a))
}

// provedWith is the end of a run whose snapshot is proved.
func (d *driver) provedWith(a attempt) error {
	proved := fmt.Sprintf("snapshot %s proved: %s, %s", a.snapshot.ID, files(a.snapshot.Files), size(a.snapshot.Size))
	switch {
	case judge(a) == doubtful:
		return diagnosed(fmt.Sprintf("finish after snapshot %s, which is saved and proved", a.snapshot.ID), a.out)
	case judge(a) == incomplete:
		return incompleteError(a.snapshot)
	case a.snapshot.Ignored > 0:
		return d.ignored(a.snapshot, proved)
	}
	d.res.Message = proved
	return nil
}

// notProved says why there is no proof. When kopia failed before, what it said
// then is worth more than the proof's own failure, which may be only that the
// snapshot is not there; anything else must be told beside it.
func notProved(a attempt, err error) error {
	missing := reasonOf(err) == string(kopiaexec.ReasonSnapshotMissing)
	switch {
	case missing && !a.out.OK():
		return diagnosed(fmt.Sprintf("save snapshot %s, which is not in the repository", a.snapshot.ID), a.out)
	case judge(a) == doubtful:
		why := diagnosed("finish after snapshot "+a.snapshot.ID, a.out)
		return failed(reasonOf(why), fmt.Errorf("%w; whether it is saved is not known, for the proof failed too: %w", why, err))
	}
	return err
}

// cancelledWith names what kopia said to have saved before it ended. Of a kopia
// that failed, that is no more than a name: the write that failed may have been
// the snapshot's own.
func (d *driver) cancelledWith(ctx context.Context, a attempt) error {
	s := a.snapshot
	switch {
	case a.nothingSaved():
		return stopOf(ctx, "; no snapshot was made")
	case s != nil && !a.out.OK():
		return stopOf(ctx, fmt.Sprintf("; kopia printed snapshot %s and failed (%s), and the repository may hold it, tagged %s:%s",
			s.ID, howFailed(a.out), result.RunTag, d.task.RunID))
	case s == nil:
		return stopOf(ctx, fmt.Sprintf("; kopia named no snapshot, and the repository may hold a partial one, tagged %s:%s", result.RunTag, d.task.RunID))
	}
	d.res.Snapshot = s
	what := "the partial snapshot"
	if s.Incomplete == "" {
		what = "the whole snapshot"
	}
	return stopOf(ctx, fmt.Sprintf("; kopia saved %s %s, which was not proved", what, s.ID))
}

// ignored handles errors that a policy ignores: a warning, or with Strict an
// incomplete snapshot. otherwise is what there is to say of the snapshot besides.
func (d *driver) ignored(s *result.Snapshot, otherwise string) error {
	text := fmt.Sprintf("%s could not be read, and a policy ignores that%s", missed(s.Ignored), firstErrors(s))
	if d.task.Backup.Strict {
		return failed("FilesIgnored", fault.New(fault.Incomplete, "snapshot %s exists, but %s", s.ID, text))
	}
	d.warn("VK423", text)
	d.res.Message = fmt.Sprintf("%s; %d could not be read", otherwise, s.Ignored)
	return nil
}

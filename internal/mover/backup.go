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
	src, err := d.prepareSource()
	if err != nil || d.res.Outcome == result.Skipped {
		return err
	}
	if err := d.readSecret(); err != nil {
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
	if err := d.preparePolicies(ctx); err != nil {
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
func (d *driver) prepareSource() (source, error) {
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
	return src, d.checkNotEmpty(src)
}

// checkNotEmpty applies the rule for an empty source.
func (d *driver) checkNotEmpty(src source) error {
	empty, err := src.empty()
	if err != nil || !empty {
		return err
	}
	switch {
	case d.task.Backup.OnEmpty == result.OnEmptySnapshot:
		return nil
	case d.task.Backup.OnEmpty == result.OnEmptyFail:
		return failed("SourceEmpty", fault.New(fault.Failed, "the source %s is empty", src.dir).
			WithHint("check that the right volume is mounted, or pass --on-empty=snapshot"))
	case d.task.Backup.LastHadFiles:
		return failed("SourceEmpty", fault.New(fault.Failed, "the source %s is empty, and its last snapshot held files", src.dir).
			WithHint("check that the right volume is mounted; if it is really empty, pass --on-empty=snapshot"))
	}
	d.res.Outcome, d.res.Reason = result.Skipped, "SourceEmpty"
	d.res.Message = "the source is empty; no snapshot was made"
	d.log.sayf("The source %s is empty; nothing to back up.", src.dir)
	return nil
}

// preparePolicies opens the repository and brings its policies up to date.
func (d *driver) preparePolicies(ctx context.Context) error {
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
	return d.applyPolicies(ctx, now)
}

// snapshotWithActions runs the before-action, kopia, and, whatever came
// of them, the after-action: it is there to undo what the other did.
func (d *driver) snapshotWithActions(ctx context.Context, src source) (a attempt, err error) {
	defer d.afterAction(ctx)
	if err := d.beforeAction(ctx); err != nil {
		return a, err
	}
	if err := d.checkNotEmpty(src); err != nil || d.res.Outcome == result.Skipped {
		return a, err
	}
	return d.snapshot(ctx, src)
}

// snapshot runs kopia snapshot create and reads what it printed.
func (d *driver) snapshot(ctx context.Context, src source) (attempt, error) {
	d.begin("snapshot")
	d.sayParallel()
	options := argv.SnapshotOptions{Path: src.dir, Tags: d.task.Backup.Tags, Extra: d.task.Backup.Args, Progress: true}
	if src.dir != d.res.Identity.Path {
		options.Source = d.res.Identity.String()
	}
	command := argv.SnapshotCreate(d.paths, options)
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: command})
	a := attempt{out: out, stopped: ctx.Err() != nil}
	if err != nil {
		return a, failed("Kopia", err)
	}
	a.snapshot, err = kopiaexec.DecodeSnapshot(out.Stdout)
	if err != nil && !a.stopped {
		return a, failed("UnreadableResult", fault.New(fault.Failed, "%w", err))
	}
	if a.snapshot != nil {
		a.snapshot.UploadedBytes = out.Progress.UploadedBytes
		d.redactErrors(a.snapshot)
		d.log.sayf("Kopia printed snapshot %s: %d files, %s.", a.snapshot.ID, a.snapshot.Files, size(a.snapshot.Size))
		d.log.event(result.Event{Type: result.EventSnapshot, Snapshot: a.snapshot})
	}
	return a, nil
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
		return d.cancelledWith(ctx, a.snapshot)
	case notSaved:
		return notSavedError(a.out)
	case unchanged:
		return d.proveNewest(ctx)
	case complete, incomplete, doubtful: // to be proved
	}
	if err := d.prove(ctx, a.snapshot); err != nil {
		if ctx.Err() != nil {
			return d.cancelledWith(ctx, a.snapshot)
		}
		if judge(a) == doubtful || !a.out.OK() && reasonOf(err) == string(kopiaexec.ReasonSnapshotMissing) {
			// What kopia said at the failure is worth more than that the
			// snapshot is not there.
			return diagnosed(fmt.Sprintf("save snapshot %s, which is not in the repository", a.snapshot.ID), a.out)
		}
		return err
	}
	d.res.Snapshot = a.snapshot
	switch {
	case judge(a) == doubtful:
		return diagnosed(fmt.Sprintf("finish after snapshot %s, which is saved and proved", a.snapshot.ID), a.out)
	case judge(a) == incomplete:
		return incompleteError(a.snapshot)
	case a.snapshot.Ignored > 0:
		return d.ignored(a)
	}
	d.res.Message = fmt.Sprintf("snapshot %s proved: %d files, %s", a.snapshot.ID, a.snapshot.Files, size(a.snapshot.Size))
	return nil
}

// cancelledWith names what kopia said to have saved before it ended.
func (d *driver) cancelledWith(ctx context.Context, s *result.Snapshot) error {
	if s == nil {
		return stopOf(ctx, "; no snapshot was made")
	}
	d.res.Snapshot = s
	what := "the partial snapshot"
	if s.Incomplete == "" {
		what = "the whole snapshot"
	}
	return stopOf(ctx, fmt.Sprintf("; kopia saved %s %s, which was not proved", what, s.ID))
}

// ignored handles errors that a policy ignores: a warning, or with Strict an
// incomplete snapshot.
func (d *driver) ignored(a attempt) error {
	s := a.snapshot
	if len(s.Errors) == 0 {
		s.Errors = ignoredErrors(a.out.Log)
	}
	d.redactErrors(s)
	s.OmittedErrors = max(0, int(s.Ignored)-len(s.Errors))
	text := fmt.Sprintf("%d files or directories could not be read, and a policy ignores that%s", s.Ignored, firstErrors(s))
	if d.task.Backup.Strict {
		return failed("FilesIgnored", fault.New(fault.Incomplete, "snapshot %s exists, but %s", s.ID, text))
	}
	d.warn("VK423", text)
	d.res.Message = fmt.Sprintf("snapshot %s proved: %d files, %s; %d could not be read", s.ID, s.Files, size(s.Size), s.Ignored)
	return nil
}

// ignoredErrors reads the first 10 of kopia's lines
// `Ignored error when processing "path": why`, which the manifest leaves out.
func ignoredErrors(log []string) []result.FileError {
	const most = 10
	var found []result.FileError
	for _, line := range log {
		_, rest, ok := strings.Cut(line, `Ignored error when processing "`)
		path, why, whole := strings.Cut(rest, `": `)
		if ok && whole && len(found) < most {
			found = append(found, result.FileError{Path: path, Error: why})
		}
	}
	return found
}

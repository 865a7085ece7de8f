package mover

import (
	"context"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// checkNotEmpty applies the rule for an empty source.
func (d *driver) checkNotEmpty(ctx context.Context, src source) error {
	empty, err := src.empty()
	if err != nil || !empty {
		return err
	}
	switch d.task.Backup.OnEmpty {
	case result.OnEmptySnapshot:
		return nil
	case result.OnEmptyFail:
		return failed("SourceEmpty", fault.New(fault.Failed, "the source %s is empty", src.dir).
			WithHint("check that the right volume is mounted, or pass --on-empty=snapshot"))
	case result.OnEmptySkip: // unless it held files
	}
	held, besides, err := d.heldFiles(ctx)
	if err != nil {
		return err
	}
	if held {
		return failed("SourceEmpty", fault.New(fault.Failed, "the source %s is empty, and its last snapshot held files", src.dir).
			WithHint("check that the right volume is mounted; if it is really empty, pass --on-empty=snapshot"))
	}
	d.res.Outcome, d.res.Reason = result.Skipped, "SourceEmpty"
	d.res.Message = "the source is empty; no snapshot was made" + besides
	d.log.sayf("The source %s is empty; nothing to back up.", src.dir)
	return nil
}

// heldFiles tells whether the source's last snapshot held files: the history knows,
// or else the repository. besides is what else was found there.
func (d *driver) heldFiles(ctx context.Context) (held bool, besides string, err error) {
	if known := d.task.Backup.LastHadFiles; known != nil {
		return *known, "", nil
	}
	d.log.sayf("The source is empty, and no history says whether it was so before: asking the repository.")
	list, err := d.ownSnapshots(ctx)
	if err != nil {
		besides, err = d.noneYet(err)
		return false, besides, err
	}
	newest := newestFirst(completeOnly(list))
	return len(newest) > 0 && newest[0].SourceFiles() > 0, "", nil
}

// ownSnapshots lists the source's snapshots. A repository that is not open yet is
// opened for that alone.
func (d *driver) ownSnapshots(ctx context.Context) ([]result.Snapshot, error) {
	// Without its files, a volume may look as if it lacked the directory that the
	// path begins with.
	if own := d.res.Identity; own != d.task.Identity {
		d.task.Otherwise = &own
	}
	if d.runner == nil {
		d.readOnly = true
		return d.openList(ctx, false)
	}
	var all []result.Snapshot
	for _, identity := range d.identities() {
		list, err := d.listed(ctx, identity.String())
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// noneYet turns the failure to find a repository into words where a run with files
// would make one: there cannot be a snapshot of the source then.
func (d *driver) noneYet(err error) (besides string, _ error) {
	if !d.creatable(kopiaexec.Reason(reasonOf(err))) {
		return "", err
	}
	if barred := d.barred(); barred != nil {
		return "", fmt.Errorf("%w; a run would not create it: %s", err, barred.Error())
	}
	return fmt.Sprintf(", and there is no repository yet (%s)", d.log.redact(err.Error())), nil
}

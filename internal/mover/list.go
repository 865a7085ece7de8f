package mover

import (
	"context"
	"fmt"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// list answers with the snapshots of one source, or of all.
func (d *driver) list(ctx context.Context) error {
	snapshots, err := d.openList(ctx, d.task.List.All)
	if err != nil {
		return err
	}
	d.res.Snapshots = snapshots
	d.res.Message = tally(snapshots)
	return nil
}

// tally says how many snapshots there are, and how many of them are no whole ones.
func tally(snapshots []result.Snapshot) string {
	incomplete := 0
	for i := range snapshots {
		if snapshots[i].Incomplete != "" {
			incomplete++
		}
	}
	text := count(int64(len(snapshots)), "snapshot", "snapshots")
	if incomplete > 0 {
		text += fmt.Sprintf(", %d incomplete", incomplete)
	}
	return text
}

// identities are those that the task's source may be recorded under.
func (d *driver) identities() []result.Identity {
	if d.task.Otherwise == nil {
		return []result.Identity{d.task.Identity}
	}
	return []result.Identity{d.task.Identity, *d.task.Otherwise}
}

// openList prepares everything and lists the source's snapshots, or with all
// those of every source, as the first command. The newest are last.
func (d *driver) openList(ctx context.Context, all bool) ([]result.Snapshot, error) {
	if err := d.readSecret(); err != nil {
		return nil, err
	}
	if d.task.Restore != nil {
		if err := d.checkApart("the target", d.task.Restore.TargetDir); err != nil {
			return nil, err
		}
	}
	if err := d.findKopia(ctx); err != nil {
		return nil, err
	}
	if err := d.resolveSettings(); err != nil {
		return nil, err
	}
	if err := d.configure(); err != nil {
		return nil, err
	}
	d.begin("repository")
	source := d.task.Identity.String()
	if all {
		source = ""
	}
	stdout, err := d.open(ctx, argv.SnapshotList(d.paths, source))
	if err != nil {
		return nil, err
	}
	snapshots, err := snapshotsOf(stdout, source)
	if err != nil {
		return nil, err
	}
	if all || d.task.Otherwise == nil {
		return snapshots, nil
	}
	more, err := d.listed(ctx, d.task.Otherwise.String())
	if err != nil {
		return nil, err
	}
	snapshots = append(snapshots, more...)
	slices.SortStableFunc(snapshots, func(a, b result.Snapshot) int { return a.StartTime.Compare(b.StartTime) })
	return snapshots, nil
}

// snapshotsOf reads a list of kopia's and keeps what is recorded under source;
// all when it is empty. Kopia answers for a path with the snapshots of every
// directory above it, too, and these are other backups.
func snapshotsOf(stdout []byte, source string) ([]result.Snapshot, error) {
	list, err := kopiaexec.DecodeSnapshots(stdout)
	if err != nil {
		return nil, failed("UnreadableResult", fault.New(fault.Failed, "%w", err))
	}
	if source == "" {
		return list, nil
	}
	return slices.DeleteFunc(list, func(s result.Snapshot) bool { return s.Identity.String() != source }), nil
}

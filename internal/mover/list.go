package mover

import (
	"context"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// list answers with the snapshots of one source, or of all.
func (d *driver) list(ctx context.Context) error {
	source := d.task.Identity.String()
	if d.task.List.All {
		source = ""
	}
	snapshots, err := d.openList(ctx, source)
	if err != nil {
		return err
	}
	if !d.task.List.Incomplete {
		snapshots = completeOnly(snapshots)
	}
	d.res.Snapshots = snapshots
	d.res.Message = fmt.Sprintf("%d snapshots", len(snapshots))
	return nil
}

// openList prepares everything and runs the list as the first command.
func (d *driver) openList(ctx context.Context, source string) ([]result.Snapshot, error) {
	if err := d.readSecret(); err != nil {
		return nil, err
	}
	if err := d.findKopia(ctx); err != nil {
		return nil, err
	}
	// Of the policy configuration only speed limits and cache sizes matter here.
	if err := d.resolvePolicies("", nil); err != nil {
		return nil, err
	}
	if err := d.configure(); err != nil {
		return nil, err
	}
	d.begin("repository")
	stdout, err := d.open(ctx, argv.SnapshotList(d.paths, source))
	if err != nil {
		return nil, err
	}
	snapshots, err := kopiaexec.DecodeSnapshots(stdout)
	if err != nil {
		return nil, failed("UnreadableResult", fault.New(fault.Failed, "%w", err))
	}
	return snapshots, nil
}

package mover

import (
	"cmp"
	"context"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
)

// scheduleMaintenance gives a repository that this run has made the maintenance
// schedule of the structured configuration. One that was there keeps its own:
// what it is could only be told with another process in every run, and several
// sources may share it; the findings say so.
func (d *driver) scheduleMaintenance(ctx context.Context) {
	schedule := maintenanceOf(d.settings.Maintenance)
	if !d.res.Repository.Created || schedule == (argv.MaintenanceOptions{}) {
		return
	}
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.MaintenanceSet(d.paths, schedule)})
	if err == nil && !out.OK() {
		err = diagnosed("set the maintenance schedule", out)
	}
	if err != nil {
		d.warn("VK430", fmt.Sprintf("the new repository keeps kopia's own maintenance schedule: %v", err))
		return
	}
	d.log.sayf("Set the maintenance schedule of the new repository.")
}

// maintenanceOf is the schedule that is asked for. The switch of the whole
// decides about the cycles that have none of their own.
func maintenanceOf(m policy.Maintenance) argv.MaintenanceOptions {
	return argv.MaintenanceOptions{
		QuickInterval: m.QuickInterval, QuickEnabled: cmp.Or(m.QuickEnabled, m.Enabled),
		FullInterval: m.FullInterval, FullEnabled: cmp.Or(m.FullEnabled, m.Enabled),
	}
}

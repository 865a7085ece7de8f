package mover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// scheduleMaintenance gives the repository the maintenance schedule of the
// structured configuration, once: what the repository has could only be told with
// another process in every run, and several sources may share it. So it is set
// where it is not what a run of this source was the last to set, and what somebody
// sets by hand later stays.
func (d *driver) scheduleMaintenance(ctx context.Context) {
	schedule := maintenanceOf(d.settings.Maintenance)
	if schedule == (argv.MaintenanceOptions{}) {
		return
	}
	repository, flags := d.res.Repository, maintenanceFlags(schedule)
	if known := d.task.Repository.Maintenance; known != nil && *known == (result.MaintenanceSet{Repository: repository.UniqueID, Schedule: flags}) {
		repository.Maintenance = flags
		return
	}
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.MaintenanceSet(d.paths, schedule)})
	if err == nil && !out.OK() {
		err = diagnosed("set the maintenance schedule", out)
	}
	if err != nil {
		d.warn("VK430", fmt.Sprintf("the repository keeps the maintenance schedule that it has: %v", err))
		return
	}
	repository.Maintenance = flags
	d.log.sayf("Set the maintenance schedule of the repository: %s", flags)
}

// maintenanceFlags are those of kopia maintenance set that make the schedule.
func maintenanceFlags(schedule argv.MaintenanceOptions) string {
	const last = "--no-progress" // of what every call is given
	args := argv.MaintenanceSet(argv.Paths{}, schedule).Args
	return strings.Join(args[slices.Index(args, last)+1:], " ")
}

// maintenanceOf is the schedule that is asked for. The switch of the whole
// decides about the cycles that have none of their own.
func maintenanceOf(m policy.Maintenance) argv.MaintenanceOptions {
	return argv.MaintenanceOptions{
		QuickInterval: m.QuickInterval, QuickEnabled: cmp.Or(m.QuickEnabled, m.Enabled),
		FullInterval: m.FullInterval, FullEnabled: cmp.Or(m.FullEnabled, m.Enabled),
	}
}

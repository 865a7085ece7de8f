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
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// scheduleMaintenance gives a repository that this run has made the maintenance
// schedule of the structured configuration. One that was there keeps its own:
// what it is could only be told with another process in every run, and several
// sources may share it; the log says so.
func (d *driver) scheduleMaintenance(ctx context.Context) {
	schedule := maintenanceOf(d.settings.Maintenance)
	if schedule == (argv.MaintenanceOptions{}) {
		return
	}
	if !d.res.Repository.Created {
		d.find(problem.Info, "VK310", "the repository was there before and keeps its own maintenance schedule; to give it the manifest's: "+
			"kopia maintenance set "+strings.Join(maintenanceFlags(schedule), " "))
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

// maintenanceFlags are those of kopia maintenance set that make the schedule.
func maintenanceFlags(schedule argv.MaintenanceOptions) []string {
	const last = "--no-progress" // of what every call is given
	args := argv.MaintenanceSet(argv.Paths{}, schedule).Args
	return args[slices.Index(args, last)+1:]
}

// maintenanceOf is the schedule that is asked for. The switch of the whole
// decides about the cycles that have none of their own.
func maintenanceOf(m policy.Maintenance) argv.MaintenanceOptions {
	return argv.MaintenanceOptions{
		QuickInterval: m.QuickInterval, QuickEnabled: cmp.Or(m.QuickEnabled, m.Enabled),
		FullInterval: m.FullInterval, FullEnabled: cmp.Or(m.FullEnabled, m.Enabled),
	}
}

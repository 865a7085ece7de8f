package mover

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What kopia begins a full maintenance with, and ends it with. Which cycles lie
// between depends on what is due; these two are always among them.
const (
	firstCycle = "snapshot-gc"
	lastCycle  = "cleanup-logs"
)

// readRecord lets a fresh process read what the repository says of its maintenance.
func (d *driver) readRecord(ctx context.Context) (kopiaexec.Maintenance, error) {
	d.begin("proof")
	if err := d.cache.Prepare(); err != nil {
		return kopiaexec.Maintenance{}, failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.MaintenanceInfo(d.paths)})
	if err != nil {
		return kopiaexec.Maintenance{}, failed("Kopia", err)
	}
	if !out.OK() {
		return kopiaexec.Maintenance{}, diagnosed("read the maintenance back", out)
	}
	if err := d.checkNotReplaced(); err != nil {
		return kopiaexec.Maintenance{}, err
	}
	return decodeMaintenance(out.Stdout)
}

// tell writes what has come on record since before into the Result.
func (d *driver) tell(before, after kopiaexec.Maintenance) {
	report := d.res.Maintenance
	report.Owner, report.NextFull, report.Cycles = after.Owner, after.NextFull, after.Since(before)
	for i, c := range report.Cycles {
		report.Cycles[i].Error = cutError(d.log.redact(c.Error))
	}
}

// mostErrorBytes bounds what a cycle says of its failure.
const mostErrorBytes = 400

func cutError(text string) string {
	if len(text) <= mostErrorBytes {
		return text
	}
	return strings.ToValidUTF8(text[:mostErrorBytes], "") + "..."
}

// proveMaintenance holds what kopia said by its exit code against the record. Exit
// code 0 is no proof: kopia says so too when another process of this machine holds its
// lock and it has done nothing. Nor is the time at which the next one is due, which
// kopia sets before it begins.
func (d *driver) proveMaintenance(ctx context.Context, before kopiaexec.Maintenance) error {
	after, err := d.readRecord(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return stopOf(ctx, "; kopia said that the maintenance is done, which was not proved")
		}
		return err
	}
	d.tell(before, after)
	if err := final(judgeCycles(d.res.Maintenance.Cycles)); err != nil {
		return err
	}
	if wanted := d.res.Identity.String(); after.Owner != wanted {
		return final(failed("OwnerChanged", fault.New(fault.Failed, "the maintenance was done, but it belongs to %s now, not to %s", called(after.Owner), wanted).
			WithHint("another client has taken it over meanwhile: find out which, and let one maintain the repository")))
	}
	d.sayProved(after)
	return nil
}

// judgeCycles is the truth table of a kopia maintenance run --full that has ended with
// exit code 0:
//
//	new on record                          verdict
//	nothing                                MaintenanceNotRecorded
//	a cycle that failed                    MaintenanceCycleFailed
//	not both the first and the last cycle  MaintenanceIncomplete
//	anything else                          done
func judgeCycles(cycles []result.MaintenanceCycle) error {
	if len(cycles) == 0 {
		return failed("MaintenanceNotRecorded", fault.New(fault.Failed, "kopia ended without an error, and the repository has no record of a maintenance by this run").
			WithHint("kopia does nothing while another process holds its lock, and one of two that run at once can lose its record: run it again when no other runs"))
	}
	seen := map[string]bool{}
	for _, c := range cycles {
		if c.Error != "" {
			return failed("MaintenanceCycleFailed", fault.New(fault.Failed, "the cycle %s of the maintenance failed: %s", c.Name, c.Error))
		}
		seen[c.Name] = true
	}
	for _, name := range []string{firstCycle, lastCycle} {
		if !seen[name] {
			return failed("MaintenanceIncomplete", fault.New(fault.Failed, "kopia ended without an error, and the repository has no record of the cycle %s: %s", name, cycleNames(cycles)).
				WithHint("run it again; two that run at once can lose each other's records"))
		}
	}
	return nil
}

// cycleNames lists cycles for people.
func cycleNames(cycles []result.MaintenanceCycle) string {
	var all []string
	for _, c := range cycles {
		all = append(all, c.Name)
	}
	return strings.Join(all, ", ")
}

func (d *driver) sayProved(after kopiaexec.Maintenance) {
	cycles := d.res.Maintenance.Cycles
	d.log.sayf("Proved the maintenance: %s.", cycleNames(cycles))
	d.res.Message = fmt.Sprintf("maintenance of the %s repository proved: %s", d.place.Type(), count(int64(len(cycles)), "cycle", "cycles"))
	if after.NextFull == nil {
		d.res.Message += "; the repository's own schedule for full maintenance is turned off"
		return
	}
	d.res.Message += ", next full maintenance due " + after.NextFull.Format(time.RFC3339)
}

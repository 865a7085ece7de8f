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

// proveMaintenance holds what kopia said by exit code 0 and in its log against the
// record. Neither is a proof alone: the exit code is 0 also when another process of this
// machine holds kopia's lock and nothing was done, and what is on record may be another
// client's. The time at which the next one is due is set before kopia begins.
func (d *driver) proveMaintenance(ctx context.Context, before kopiaexec.Maintenance, log []string) error {
	after, err := d.readRecord(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return stopOf(ctx, "; kopia said that the maintenance is done, which was not proved")
		}
		return err
	}
	d.tell(before, after)
	if err := final(judgeMaintenance(d.res.Maintenance.Cycles, kopiaexec.FinishedMaintenance(log))); err != nil {
		return err
	}
	if wanted := d.res.Identity.String(); after.Owner != wanted {
		return final(failed("OwnerChanged", fault.New(fault.Failed, "the maintenance was done, but it belongs to %s now, not to %s", called(after.Owner), wanted).
			WithHint("another client has taken it over meanwhile: find out which, and let one maintain the repository")))
	}
	d.sayProved(after)
	return nil
}

// judgeMaintenance is the truth table of a kopia maintenance run --full that has ended
// with exit code 0, and with or without the word that it has finished:
//
//	new on record                          kopia's word  verdict
//	nothing                                any           MaintenanceNotRecorded
//	anything                               none          MaintenanceNotDone
//	a cycle more than once                 finished      AnotherMaintenance
//	a cycle that failed                    finished      MaintenanceCycleFailed
//	not both the first and the last cycle  finished      MaintenanceIncomplete
//	anything else                          finished      done
func judgeMaintenance(cycles []result.MaintenanceCycle, finished bool) error {
	if len(cycles) == 0 {
		return failed("MaintenanceNotRecorded", fault.New(fault.Failed, "kopia ended without an error, and nothing new is on the repository's record of its maintenance").
			WithHint("kopia does nothing while another process holds its lock, and one of two that run at once can lose its record: run it again when no other runs"))
	}
	if !finished {
		return failed("MaintenanceNotDone", fault.New(fault.Failed, "kopia ended without an error, and has not said that it finished a full maintenance: "+
			"what has come on the repository's record meanwhile is another client's, or less than that: %s", cycleNames(cycles)).
			WithHint("run it again when no other client maintains the repository"))
	}
	return judgeCycles(cycles)
}

// judgeCycles judges what came on record while kopia maintained.
func judgeCycles(cycles []result.MaintenanceCycle) error {
	seen := map[string]bool{}
	for _, c := range cycles {
		if seen[c.Name] { // no maintenance has a cycle twice
			return failed("AnotherMaintenance", fault.New(fault.Failed, "another client has maintained the repository meanwhile, and nobody can tell whose the cycles on record are: %s", cycleNames(cycles)).
				WithHint("find out which client that is, and let one maintain the repository; then run it again"))
		}
		seen[c.Name] = true
	}
	for _, c := range cycles {
		if c.Error != "" {
			return failed("MaintenanceCycleFailed", fault.New(fault.Failed, "the cycle %s of the maintenance failed: %s", c.Name, c.Error))
		}
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

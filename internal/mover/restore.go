package mover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// restore chooses a snapshot and writes it below the target directory.
func (d *driver) restore(ctx context.Context) error {
	d.begin("target")
	task := d.task.Restore
	if info, err := os.Stat(task.TargetDir); err != nil || !info.IsDir() {
		return refused("TargetMissing", fault.New(fault.Refused, "the target %q is not an existing directory", task.TargetDir))
	}
	list, err := d.openList(ctx, task.SnapshotID != "") // an id may be any source's
	if err != nil {
		return err
	}
	chosen, err := choose(list, *task)
	if err != nil {
		return d.noMatch(ctx, err)
	}
	switch {
	case chosen.Incomplete != "":
		d.warn("VK425", fmt.Sprintf("snapshot %s was asked for by its id and is incomplete (kopia's word: %q)", chosen.ID, chosen.Incomplete))
	case chosen.Missed() > 0:
		d.boundErrors(&chosen)
		d.warn("VK429", fmt.Sprintf("snapshot %s lacks %s%s", chosen.ID, lacking(&chosen), firstErrors(&chosen)))
	}
	if slices.Contains(d.identities(), chosen.Identity) {
		d.res.Identity = chosen.Identity
	}
	d.log.sayf("Restoring snapshot %s of %s, taken %s: %s, %s.",
		chosen.ID, chosen.Identity, chosen.StartTime.UTC().Format(time.RFC3339), files(chosen.Files), size(chosen.Size))
	d.res.Snapshot = &chosen
	if err := d.checkLinks(ctx, chosen.ID); err != nil {
		return err
	}
	return d.write(ctx, chosen)
}

// choose picks the snapshot that the task asks for. Without an id only complete
// ones count.
func choose(list []result.Snapshot, task result.RestoreTask) (result.Snapshot, error) {
	if task.SnapshotID != "" {
		i := slices.IndexFunc(list, func(s result.Snapshot) bool { return s.ID == task.SnapshotID })
		if i < 0 {
			return result.Snapshot{}, fmt.Errorf("the repository holds no snapshot %s", task.SnapshotID)
		}
		return list[i], nil
	}
	candidates := newestFirst(completeOnly(list))
	if task.AsOf != nil {
		candidates = slices.DeleteFunc(candidates, func(s result.Snapshot) bool { return s.StartTime.After(*task.AsOf) })
	}
	if task.Previous >= len(candidates) || task.Previous < 0 {
		return result.Snapshot{}, tooFarBack(len(candidates), task)
	}
	return candidates[task.Previous], nil
}

// tooFarBack says why none of so many snapshots is the one that is asked for.
func tooFarBack(there int, task result.RestoreTask) error {
	switch {
	case task.Previous < 0:
		return fmt.Errorf("previous=%d is less than 0", task.Previous)
	case there == 0:
		return fmt.Errorf("there is no complete snapshot%s", asOf(task.AsOf))
	}
	return fmt.Errorf("previous=%d passes over the newest %d of %s%s; it can be %d at most",
		task.Previous, task.Previous, count(int64(there), "complete snapshot", "complete snapshots"), asOf(task.AsOf), there-1)
}

// lacking says what a snapshot lacks, and whether its backup has failed for it.
func lacking(s *result.Snapshot) string {
	text := missed(s.Missed()) + " that could not be read when it was taken"
	switch {
	case s.Ignored == 0:
		return text
	case s.Failed == 0:
		return text + ", which a policy ignored"
	}
	return fmt.Sprintf("%s, of which a policy ignored %d", text, s.Ignored)
}

// missed counts what a snapshot lacks.
func missed(n int64) string { return count(n, "file or directory", "files or directories") }

func asOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " as of " + t.UTC().Format(time.RFC3339)
}

// noMatch refuses, and names the identities that the repository holds.
func (d *driver) noMatch(ctx context.Context, why error) error {
	all, err := d.listed(ctx, "")
	if err != nil {
		return err
	}
	identities, held := d.identities(), map[string]int{}
	var own, parts []result.Snapshot
	for _, s := range all {
		mine := slices.Contains(identities, s.Identity)
		switch {
		case s.Incomplete == "":
			held[s.Identity.String()]++
			if mine {
				own = append(own, s)
			}
		case mine:
			parts = append(parts, s)
		}
	}
	var names []string
	for name, count := range held {
		names = append(names, fmt.Sprintf("%s (%d)", name, count))
	}
	slices.Sort(names)
	there := "the repository holds no complete snapshot"
	if len(names) > 0 {
		there = "the repository holds complete snapshots of: " + strings.Join(names, ", ") + timesOf("of this source", own)
	}
	if len(own) == 0 && len(parts) > 0 {
		there += timesOf("of this source it has incomplete ones only", parts) + "; --snapshot-id=ID restores what one of them holds"
	}
	wanted := identities[0].String()
	if len(identities) > 1 {
		wanted += " or " + identities[1].String()
	}
	return refused("NoSnapshot", fault.New(fault.Refused, "no snapshot of %s to restore: %w", wanted, why).WithHint(there))
}

// timesOf lists the newest snapshots that could be asked for instead; which says
// what they are.
func timesOf(which string, list []result.Snapshot) string {
	const most = 5
	if len(list) == 0 {
		return ""
	}
	var times []string
	for _, s := range newestFirst(list)[:min(len(list), most)] {
		what := s.ID
		if n := s.Missed(); n > 0 {
			what += ", " + missed(n) + " missed"
		}
		if s.Incomplete != "" {
			what += fmt.Sprintf(", kopia's word: %q", s.Incomplete)
		}
		times = append(times, fmt.Sprintf("%s (%s)", s.StartTime.UTC().Format(time.RFC3339), what))
	}
	if len(list) > most {
		times = append(times, "and "+count(int64(len(list)-most), "older one", "older ones"))
	}
	return "; " + which + ", newest first: " + strings.Join(times, ", ")
}

// phaseRestore is the phase in which kopia restores.
const phaseRestore = "restore"

// write runs the restore. Kopia makes temporary files beside what it writes, so
// it works from inside the target: the directory above may not be writable.
func (d *driver) write(ctx context.Context, s result.Snapshot) error {
	d.begin(phaseRestore)
	task := d.task.Restore
	command := argv.SnapshotRestore(d.paths, argv.RestoreOptions{
		Source: s.ID, Target: ".", Extra: d.restoreArgs(), Progress: true,
		SkipOwners: task.SkipOwners || os.Geteuid() != 0,
	})
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: command, Dir: task.TargetDir})
	if err != nil {
		return failed("Kopia", err)
	}
	report, told := kopiaexec.Restored(out.Log)
	report.TargetDir, report.Size = task.TargetDir, s.Size
	if told {
		d.res.Restore = &report
	}
	finished := told && out.OK()
	switch {
	case ctx.Err() != nil && !finished:
		return stopOf(ctx, fmt.Sprintf("; %s holds a part of snapshot %s", task.TargetDir, s.ID))
	case !out.OK():
		return leaving(diagnosed("restore snapshot "+s.ID, out), leftIn(task.TargetDir, s.ID, out.Progress))
	case !told:
		return failed("UnreadableResult", fault.New(fault.Failed, "kopia ended without an error and did not say what it restored of snapshot %s", s.ID))
	case report.Files < s.Files && !partial(task.Args):
		return failed("FilesNotRestored", fault.New(fault.Incomplete, "kopia restored %d of %s of snapshot %s to %s", report.Files, files(s.Files), s.ID, task.TargetDir).
			WithHint("what it says of the others stands in the mover's log"))
	}
	d.res.Message = fmt.Sprintf("snapshot %s restored to %s: %s, %s", s.ID, task.TargetDir, files(report.Files), size(s.Size))
	return nil
}

// leftIn says what a restore that broke off leaves; nothing, if that is what is there.
func leftIn(dir, id string, p result.Progress) string {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) == 0:
		return ""
	case p.HashedFiles > 0:
		return fmt.Sprintf("%s holds a part of snapshot %s, about %s (%s)", dir, id, count(p.HashedFiles, "entry", "entries"), size(p.HashedBytes))
	}
	return fmt.Sprintf("%s may hold a part of snapshot %s", dir, id)
}

// leaving adds what is left to a failure.
func leaving(err error, left string) error {
	var why *fault.Error
	if left == "" || !errors.As(err, &why) {
		return err
	}
	more := fault.New(why.Kind, "%w; left: %s", err, left).WithWhy(why.Why).WithHint(why.Hint)
	return failed(reasonOf(err), more)
}

// partial reports whether the arguments ask for less than every file.
func partial(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--shallow") || strings.HasPrefix(arg, "--skip-existing")
	})
}

// notAtomically makes kopia write into the files that are there, also through links.
const notAtomically = "--no-write-files-atomically"

// restoreArgs adds to the task's arguments what every restore is done with.
func (d *driver) restoreArgs() []string {
	const atomically = "--write-files-atomically"
	args := slices.Clone(d.task.Restore.Args)
	if !slices.Contains(args, atomically) && !slices.Contains(args, notAtomically) {
		args = append(args, atomically)
	}
	if n := d.settings.RestoreParallel; n > 0 && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--parallel=") }) {
		args = append(args, fmt.Sprintf("--parallel=%d", n))
	}
	return args
}

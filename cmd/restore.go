package cmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const restoreLong = `Restore a snapshot of a source to a directory of this machine.

The newest complete snapshot is taken, or the one that --snapshot-id, --as-of or --previous choose.
Incomplete snapshots are never chosen silently. Nothing is written when no snapshot matches: the
identities that exist are listed instead. Ownership is restored when this process is root.`

const restoreExamples = `  # The newest snapshot of a source, with nothing but the manifests and the repository
  kubectl volsync-kopia restore -f source.yaml -f secret.yaml --local --target-dir ./restored

  # The state of the evening before
  kubectl volsync-kopia restore -f source.yaml -f secret.yaml --local --target-dir ./restored --as-of 2026-11-21T20:00:00Z

  # In a pipeline: the result for a script, and a report of the verdict
  kubectl volsync-kopia restore -f source.yaml -f secret.yaml --local --target-dir ./restored -o json --report-junit restore.xml`

// restoreFlags are the flags as typed.
type restoreFlags struct {
	readFlags

	targetDir  string
	snapshotID string
	asOf       string
	previous   int
	overwrite  bool
}

// NewRestoreCommand returns the restore command.
func NewRestoreCommand(f *Factory) *cobra.Command {
	flags := &restoreFlags{}
	c := &cobra.Command{
		Use:     "restore -f FILE...",
		Short:   "Restore a snapshot",
		Long:    restoreLong + exitCodes(0, 1, 2, 3, 4, 5, 7, 8, 130, 143),
		Example: restoreExamples, Annotations: resultOf(result.OperationRestore),
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return flags.restore(c.Context(), f) },
	}
	flags.add(c)
	addOutputFlag(c, &flags.output)
	addRunReports(c)
	c.Flags().StringVar(&flags.targetDir, "target-dir", "", "with --local: the directory to restore to; it is made if it is missing")
	c.Flags().StringVar(&flags.snapshotID, "snapshot-id", "", "restore this snapshot")
	c.Flags().StringVar(&flags.asOf, "as-of", "", "restore the newest snapshot that started at or before this RFC 3339 time")
	c.Flags().IntVar(&flags.previous, "previous", 0, "skip this many of the newest snapshots: 1 is the one before the newest")
	c.Flags().BoolVar(&flags.overwrite, "overwrite", false, "restore into a directory that is not empty; files of the same name are replaced")
	return c
}

func (r *restoreFlags) restore(ctx context.Context, f *Factory) error {
	task, err := r.task()
	if err = errors.Join(err, f.checkRunReports()); err != nil {
		return err
	}
	target := &targetDir{path: task.TargetDir, overwrite: r.overwrite}
	v, err := r.run(ctx, f, "restore", result.Task{Operation: result.OperationRestore, Restore: task}, target)
	if err != nil {
		return err
	}
	if !v.done() {
		target.remove()
	}
	return f.reportVerdicts(r.output, []verdict{v})
}

// task checks the flags.
func (r *restoreFlags) task() (*result.RestoreTask, error) {
	task := &result.RestoreTask{SnapshotID: r.snapshotID, Previous: r.previous, SkipOwners: os.Geteuid() != 0}
	if r.asOf != "" {
		asOf, err := time.Parse(time.RFC3339, r.asOf)
		if err != nil {
			return nil, fault.New(fault.Usage, "--as-of %s is not an RFC 3339 time", quote(r.asOf)).WithHint("write it as 2026-11-21T20:00:00Z")
		}
		task.AsOf = &asOf
	}
	switch {
	case r.targetDir == "":
		return nil, fault.New(fault.Usage, "--target-dir is missing: the directory to restore to").
			WithHint("add --target-dir DIR, as --target-dir ./restored; it is made if it is missing")
	case r.previous < 0:
		return nil, fault.New(fault.Usage, "--previous=%d is less than 0", r.previous).WithHint("0 is the newest snapshot, 1 the one before")
	case r.snapshotID != "" && (r.asOf != "" || r.previous > 0):
		return nil, fault.New(fault.Usage, "--snapshot-id names the snapshot; --as-of and --previous would choose another")
	}
	target, err := filepath.Abs(r.targetDir)
	if err != nil {
		return nil, fault.New(fault.Usage, "make --target-dir absolute: %w", err)
	}
	task.TargetDir = target
	return task, nil
}

// targetDir is the directory that a restore writes to. The methods of a nil one,
// which a task without a target has, do nothing.
type targetDir struct {
	path      string
	overwrite bool
	// made are the directories that create has made, the target itself first.
	made []string
}

// dir is its path, or empty.
func (t *targetDir) dir() string {
	if t == nil {
		return ""
	}
	return t.path
}

// check refuses a directory with content that the restore could overwrite. One
// that does not exist will be made.
func (t *targetDir) check() error {
	if t == nil {
		return nil
	}
	entries, err := os.ReadDir(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.New(fault.Refused, "look into the target directory: %w", err).WithHint(writableTarget)
	case len(entries) > 0 && !t.overwrite:
		return fault.New(fault.Refused, "the target directory is not empty").At(t.path).
			WithHint("name an empty directory, or pass --overwrite to replace files in it")
	}
	return nil
}

// create makes the directory and what is missing above it.
func (t *targetDir) create() error {
	if t == nil {
		return nil
	}
	for dir := t.path; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		t.made = append(t.made, dir)
	}
	if err := os.MkdirAll(t.path, 0o755); err != nil {
		t.remove()
		return fault.New(fault.Refused, "make the target directory: %w", err).WithHint(writableTarget)
	}
	return nil
}

// writableTarget is what to do about a target directory that cannot be used.
const writableTarget = "name a directory with --target-dir that this user may read and write, or make"

// remove removes what create has made, as far as it is empty: a restore that
// broke off may have written something.
func (t *targetDir) remove() {
	for _, dir := range t.made {
		_ = os.Remove(dir)
	}
}

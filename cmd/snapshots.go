package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// NewSnapshotsCommand returns the snapshots command and its verbs.
func NewSnapshotsCommand(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshots",
		Short: "Work with a source's snapshots",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSnapshotsListCommand(f))
	return c
}

// listFlags are the flags as typed.
type listFlags struct {
	readFlags

	all        bool
	incomplete bool
}

func newSnapshotsListCommand(f *Factory) *cobra.Command {
	flags := &listFlags{}
	c := &cobra.Command{
		Use:   "list -f FILE...",
		Short: "List a source's snapshots, oldest first",
		Long:  "List a source's snapshots, oldest first." + exitCodes(0, 1, 2, 3, 5, 7, 8, 130, 143),
		Example: `  # The snapshots of a source, read on this machine
  kubectl volsync-kopia snapshots list -f source.yaml -f secret.yaml --local

  # Everything that the repository holds
  kubectl volsync-kopia snapshots list -f source.yaml -f secret.yaml --local --all-identities`,
		Args: noArguments, Annotations: resultOf(result.OperationList),
		RunE: func(c *cobra.Command, _ []string) error { return flags.list(c.Context(), f) },
	}
	flags.add(c)
	addOutputFlag(c, &flags.output)
	c.Flags().BoolVar(&flags.all, "all-identities", false, "list the snapshots of every source in the repository")
	c.Flags().BoolVar(&flags.incomplete, "incomplete", false, "list incomplete snapshots too")
	return c
}

func (l *listFlags) list(ctx context.Context, f *Factory) error {
	v, err := l.run(ctx, f, "snapshots list", result.Task{
		// All of them, so that it can be said how many are not shown.
		Operation: result.OperationList, List: &result.ListTask{All: l.all},
	}, nil)
	if err != nil {
		return err
	}
	if !v.done() || v.result == nil {
		return f.reportVerdicts(l.output, []verdict{v})
	}
	hidden := l.hideIncomplete(v.result)
	none := false
	switch {
	case isDocument(l.output):
		err = f.printDocument(l.output, listDocument(l.output, v.result), snapshotIDs(v.result.Snapshots))
	case len(v.result.Snapshots) == 0:
		none = true
		_, err = fmt.Fprintln(f.Streams.Out, noSnapshots(hidden))
	default:
		err = writeSnapshots(f.Streams.Out, v.result.Snapshots, l.all, l.output == outputWide)
	}
	if err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	switch {
	case none: // and how many are hidden was said
	case hidden == 1:
		f.note("(1 incomplete snapshot hidden; --incomplete shows it)")
	case hidden > 1:
		f.note("(%d incomplete snapshots hidden; --incomplete shows them)", hidden)
	}
	f.reportFault(&v)
	return exitWith(v.code)
}

// noSnapshots says that there are none to list, and whether some are hidden.
func noSnapshots(hidden int) string {
	switch hidden {
	case 0:
		return "No snapshots."
	case 1:
		return "No complete snapshots; --incomplete shows 1 incomplete one."
	}
	return fmt.Sprintf("No complete snapshots; --incomplete shows %d incomplete ones.", hidden)
}

// listDocument is the Result, or for a table of columns the snapshots, which are its rows.
func listDocument(output string, r *result.Result) any {
	if !strings.HasPrefix(output, "custom-columns") {
		return r
	}
	return struct {
		Items []result.Snapshot `json:"items"`
	}{append([]result.Snapshot{}, r.Snapshots...)}
}

func snapshotIDs(snapshots []result.Snapshot) []string {
	ids := make([]string, len(snapshots))
	for i := range snapshots {
		ids[i] = snapshots[i].ID
	}
	return ids
}

// hideIncomplete takes the incomplete snapshots out unless they are asked for,
// and returns how many.
func (l *listFlags) hideIncomplete(r *result.Result) int {
	if l.incomplete {
		return 0
	}
	all := len(r.Snapshots)
	r.Snapshots = slices.DeleteFunc(r.Snapshots, func(s result.Snapshot) bool { return s.Incomplete != "" })
	return all - len(r.Snapshots)
}

// writeSnapshots prints the table; with several identities each row names its own.
func writeSnapshots(out io.Writer, snapshots []result.Snapshot, identities, wide bool) error {
	w := printers.GetNewTabWriter(out)
	columns := []string{"ID", "TIME", "FILES", "SIZE", "CHANGED", "KEPT BECAUSE", "PIN"}
	if identities || wide {
		columns = append(columns, "IDENTITY")
	}
	if wide {
		columns = append(columns, "DIRS", "TOOK", "ROOT")
	}
	fmt.Fprintln(w, printable.Row(columns...))
	previous := map[result.Identity]int64{}
	for _, s := range snapshots {
		changed := ""
		if before, ok := previous[s.Identity]; ok {
			changed = signed(s.Size - before)
		}
		previous[s.Identity] = s.Size
		row := []string{
			s.ID, s.StartTime.UTC().Format(time.RFC3339), humanize.Comma(s.Files), ui.Bytes(s.Size), changed,
			kept(s), strings.Join(s.Pins, " "),
		}
		if identities || wide {
			row = append(row, s.Identity.String())
		}
		if wide {
			row = append(row, humanize.Comma(s.Dirs), ui.Took(s.EndTime.Sub(s.StartTime)), s.RootObject)
		}
		fmt.Fprintln(w, printable.Row(row...))
	}
	return w.Flush()
}

// kept says why retention keeps the snapshot, and what speaks against it: that
// it is incomplete, or lacks files that could not be read.
func kept(s result.Snapshot) string {
	if s.Incomplete != "" {
		return "incomplete: " + s.Incomplete
	}
	reasons := s.Retention
	if s.Failed > 0 {
		reasons = append(slices.Clone(reasons), fmt.Sprintf("(%s missed)", humanize.Comma(s.Failed)))
	}
	return strings.Join(reasons, " ")
}

// signed prints a change of size.
func signed(change int64) string {
	if change < 0 {
		return "-" + ui.Bytes(-change)
	}
	return "+" + ui.Bytes(change)
}

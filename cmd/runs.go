package cmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

const runsLong = `Work with the runs that a cluster holds, live or finished, from any machine.

A run is one Job. Its id is printed when it begins and by "runs list"; the last five characters
are enough. A run whose command has died is collected by attach: its result goes to status and
history, and its point-in-time copy is removed.`

// NewRunsCommand returns the runs command and its verbs.
func NewRunsCommand(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use: "runs", Short: "List, watch and cancel runs", Long: runsLong, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRunsListCommand(f), newRunsShowCommand(f), newRunsAttachCommand(f), newRunsLogsCommand(f), newRunsCancelCommand(f))
	return c
}

func newRunsListCommand(f *Factory) *cobra.Command {
	var output string
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List the runs, oldest first", Args: noArguments,
		Long: "List the runs, oldest first. A run is listed while its Job exists." + exitCodes(0, 1, 2, 5, 130, 143),
		Example: `  # The runs of a namespace
  kubectl volsync-kopia runs list -n prod

  # Of all namespaces, for a script
  kubectl volsync-kopia runs list -A -o json`,
		RunE: func(c *cobra.Command, _ []string) error { return f.listRuns(c.Context(), all, output) },
	}
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "list the runs of every namespace")
	addOutputFlag(c, &output)
	return c
}

// runRow is a run as scripts read it.
type runRow struct {
	ID     string           `json:"id"`
	Object result.ObjectRef `json:"object"`
	State  k8s.RunState     `json:"state"`
	Began  time.Time        `json:"began"`
	Result *result.Result   `json:"result,omitempty"`
}

func (f *Factory) listRuns(ctx context.Context, all bool, output string) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	namespace, err := f.namespace(all)
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	runs, err := c.Runs(k8s.Telling(ctx, f.note), namespace)
	if err != nil {
		return err
	}
	if !isDocument(output) {
		return writeRuns(f.Streams.Out, runs, f.Now(), output == outputWide)
	}
	var rows []runRow
	var ids []string
	for _, r := range runs {
		rows, ids = append(rows, rowOf(r)), append(ids, r.ID)
	}
	return f.printDocument(output, reportOf(fault.OK, rows), ids)
}

func rowOf(r k8s.Run) runRow {
	return runRow{ID: r.ID, Object: r.Object, State: r.State, Began: r.Began, Result: r.Result}
}

func writeRuns(out io.Writer, runs []k8s.Run, now time.Time, wide bool) error {
	if len(runs) == 0 {
		_, err := fmt.Fprintln(out, "No runs.")
		return err
	}
	w := printers.GetNewTabWriter(out)
	columns := []string{"RUN", "NAMESPACE", "OBJECT", "STATE", "AGE", "OUTCOME", "SNAPSHOT"}
	if wide {
		columns = append(columns, "BEGAN", "REASON")
	}
	fmt.Fprintln(w, printable.Row(columns...))
	for _, r := range runs {
		outcome, snapshot, reason := "", "", ""
		if r.Result != nil {
			outcome, reason = string(r.Result.Outcome), r.Result.Reason
			if r.Result.Snapshot != nil {
				snapshot = r.Result.Snapshot.ID
			}
		}
		row := []string{
			r.ID, r.Object.Namespace, r.Object.Kind + "/" + r.Object.Name, string(r.State), duration.HumanDuration(now.Sub(r.Began)), outcome, snapshot,
		}
		if wide {
			row = append(row, r.Began.UTC().Format(time.RFC3339), reason)
		}
		fmt.Fprintln(w, printable.Row(row...))
	}
	return w.Flush()
}

func newRunsShowCommand(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use: "show RUN", Short: "Print a run and its result as JSON", Args: oneRun,
		Long:    "Print a run and its result as JSON, while its Job exists." + exitCodes(0, 1, 2, 5, 130, 143),
		Example: "  kubectl volsync-kopia runs show x7k2q -n prod",
		RunE: func(c *cobra.Command, args []string) error {
			_, r, err := f.findRun(c.Context(), args[0])
			if err != nil {
				return err
			}
			return writeJSON(f.Streams.Out, rowOf(r))
		},
	}
	return c
}

func newRunsAttachCommand(f *Factory) *cobra.Command {
	var progress, output string
	c := &cobra.Command{
		Use: "attach RUN", Short: "Follow a run to its end, and collect its result if its command is dead", Args: oneRun,
		Long: `Follow a run to its end, and collect its result if its command is dead.

It ends with the exit code of the run itself. Interrupting it stops following, not the run.` + exitCodes(0, 1, 2, 4, 5, 6, 7, 8, 130, 143),
		Example: "  kubectl volsync-kopia runs attach x7k2q -n prod",
		RunE: func(c *cobra.Command, args []string) error {
			return f.attach(c.Context(), args[0], attachment{progress: progress, output: output})
		},
	}
	addProgressFlag(c, &progress)
	addOutputFlag(c, &output)
	return c
}

func newRunsLogsCommand(f *Factory) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs RUN", Short: "Print a run's log", Args: oneRun,
		Long: `Print a run's log, while its pod exists.

A run that has copied a volume removes its pod with the copy, so that its log is what the command that
ran it has printed.` + exitCodes(0, 1, 2, 5, 130, 143),
		Example: "  kubectl volsync-kopia runs logs x7k2q -n prod -f",
		RunE: func(c *cobra.Command, args []string) error {
			cluster, r, err := f.findRun(c.Context(), args[0])
			if err != nil {
				return err
			}
			return cluster.Log(c.Context(), r, follow, f.Streams.Out)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the mover has ended")
	return c
}

func newRunsCancelCommand(f *Factory) *cobra.Command {
	var progress, output string
	c := &cobra.Command{
		Use: "cancel RUN", Short: "Tell a run's mover to stop, and wait for its end", Args: oneRun,
		Long: `Tell a run's mover to stop, and wait for its end.

The mover gets SIGTERM and its grace period: kopia saves what it has as an incomplete snapshot.

Exits 0 once the run is cancelled, and so says the exitCode of its document; the run's own command, and
status and history, say that the run was stopped by somebody else.` + exitCodes(0, 1, 2, 5, 6, 8, 130, 143),
		Example: "  kubectl volsync-kopia runs cancel x7k2q -n prod",
		RunE: func(c *cobra.Command, args []string) error {
			return f.attach(c.Context(), args[0], attachment{progress: progress, output: output, cancel: true})
		},
	}
	addProgressFlag(c, &progress)
	addOutputFlag(c, &output)
	return c
}

// attachment says how a run is followed.
type attachment struct {
	progress, output string
	cancel           bool
}

// attach follows a run and reports its verdict as its own command would have. A
// cancel that was asked for and has happened is what was wanted.
func (f *Factory) attach(ctx context.Context, id string, a attachment) error {
	if err := checkOutput(a.output); err != nil {
		return err
	}
	if err := checkProgress(a.progress); err != nil {
		return err
	}
	c, r, err := f.findRun(ctx, id)
	if err != nil {
		return err
	}
	display, err := f.progressOf(a.progress, 1)
	if err != nil {
		return err
	}
	var cancel error
	if a.cancel {
		cancel = fault.New(fault.Failed, "cancelled with \"runs cancel\" by %s", whoami())
	}
	res, err := c.Attach(ctx, r, cancel, display, f.Now)
	if res == nil {
		display.Close()
		return err
	}
	if a.cancel && res.Outcome == result.Cancelled {
		res.ExitCode = int(fault.OK) // of this command, which has done what it was asked for
	}
	x := run.Execution{Result: *res}
	if err != nil {
		x.Left = append(x.Left, err)
	}
	x.Result.ExitCode = int(x.ExitCode())
	display.Observe(result.Event{Type: result.EventResult, Result: &x.Result}.Of(r.ID, f.Now()))
	display.Close()
	v := executedVerdict(r.Object.String(), x)
	v.shownBy(display)
	return f.reportVerdicts(a.output, []verdict{v})
}

func (f *Factory) findRun(ctx context.Context, id string) (*k8s.Cluster, k8s.Run, error) {
	namespace, err := f.namespace(false)
	if err != nil {
		return nil, k8s.Run{}, err
	}
	c, err := f.cluster()
	if err != nil {
		return nil, k8s.Run{}, err
	}
	r, err := c.FindRun(k8s.Telling(ctx, f.note), namespace, id)
	return c, r, err
}

// oneRun takes exactly one argument, a run's id.
func oneRun(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError(c, fmt.Errorf("%s takes the id of one run, got %d arguments", c.CommandPath(), len(args)))
	}
	return nil
}

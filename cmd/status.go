package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

const statusLong = `Show the backup status of sources: the last outcome, the last proved snapshot, the next run, and what is overdue.
KopiaMaintenances are among them, as KopiaMaintenance/NAME with the age of the last maintenance; who may
not list them sees those that have a history here.

The result of a run whose command has died is collected first: it goes to status and history, and the
run's point-in-time copy is removed. To be sure that a command is dead its Lease is watched for 15 seconds.

A source is overdue when its schedule was due more than an hour ago and no run has succeeded since;
one that never had a run that succeeded counts from when it was made. One that schedule has given a
CronJob is due by that, in its time zone, also when it is only a file; while that is suspended it is
paused. Who may not list CronJobs sees what spec.trigger.schedule says, in UTC.

--watch goes on until it is interrupted, by Ctrl-C or SIGTERM, and ends with exit code 0 then.`

// statusFlags are the flags as typed.
type statusFlags struct {
	all, exitCode bool
	output        string
	watch         bool
	interval      time.Duration
}

// NewStatusCommand returns the status command.
func NewStatusCommand(f *Factory) *cobra.Command {
	flags := &statusFlags{}
	c := &cobra.Command{
		Use: "status [NAME]", Short: "Show the backup status of sources", Long: statusLong + exitCodes(0, 1, 2, 5, 8, 9, 130, 143), Args: atMostOne,
		Example: `  # Every source of every namespace
  kubectl volsync-kopia status -A

  # For monitoring: exit 9 when the source is overdue
  kubectl volsync-kopia status postgres -n prod --exit-code`,
		RunE: func(c *cobra.Command, args []string) error {
			return flags.run(c.Context(), f, strings.Join(args, ""))
		},
	}
	c.Flags().BoolVarP(&flags.all, "all-namespaces", "A", false, "show the sources of every namespace")
	c.Flags().BoolVar(&flags.exitCode, "exit-code", false, "exit 9 when a source is overdue or its last run has failed")
	addOutputFlag(c, &flags.output)
	c.Flags().BoolVarP(&flags.watch, "watch", "w", false, "show it again after every --interval, until interrupted")
	c.Flags().DurationVar(&flags.interval, "interval", watchInterval, "with --watch: the time between two looks")
	return c
}

// watchInterval is how often status --watch looks unless it is told otherwise.
const watchInterval = 10 * time.Second

func (s *statusFlags) run(ctx context.Context, f *Factory, name string) error {
	if s.interval <= 0 {
		return fault.New(fault.Usage, "--interval=%s is not more than 0", s.interval)
	}
	if err := checkOutput(s.output); err != nil {
		return err
	}
	namespace, err := f.namespace(s.all)
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	for {
		err := s.show(k8s.Telling(ctx, f.note), f, c, namespace, name)
		var shown *reportedError // the verdict on what was shown, which may be better next time
		if !s.watch || err != nil && !errors.As(err, &shown) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // interrupted, as it was meant to end
		case <-time.After(s.interval):
		}
	}
}

// standing is one source as scripts read it.
type standing struct {
	Object  result.ObjectRef `json:"object"`
	Outcome result.Outcome   `json:"outcome,omitempty"`
	// Last is the Result of the last run: why it ended as it did.
	Last *result.Result `json:"last,omitempty"`
	// Snapshot is the last one that was proved.
	Snapshot *result.Snapshot `json:"snapshot,omitempty"`
	LastSync *time.Time       `json:"lastSync,omitempty"`
	Next     *time.Time       `json:"next,omitempty"`
	// OverdueSeconds is how long a run has been due; 0: none is.
	OverdueSeconds int64  `json:"overdueSeconds,omitempty"`
	Running        string `json:"running,omitempty"`
	Paused         bool   `json:"paused,omitempty"`
}

func (s *statusFlags) show(ctx context.Context, f *Factory, c *k8s.Cluster, namespace, name string) error {
	found, uncollected := c.Standings(ctx, namespace, f.Now, f.say)
	if found == nil && uncollected != nil {
		return uncollected
	}
	if uncollected != nil {
		fault.Report(f.Streams.ErrOut, uncollected)
	}
	var list []standing
	for i := range found {
		if name == "" || found[i].Object.Name == name {
			list = append(list, judge(&found[i], f.Now()))
		}
	}
	if name != "" && len(list) == 0 {
		return fault.New(fault.Refused, "no source %q is known in namespace %q", name, namespace).
			WithHint("kubectl volsync-kopia status lists those that are")
	}
	code := fault.Worst(fault.CodeOf(uncollected), s.verdict(list))
	var err error
	if isDocument(s.output) {
		err = f.printDocument(s.output, reportOf(code, list), standingNames(list))
	} else {
		err = writeStandings(f.Streams.Out, list, f.Now(), s.output == outputWide)
	}
	if err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	return exitWith(code)
}

// verdict is the exit code that --exit-code gives to what is shown.
func (s *statusFlags) verdict(list []standing) fault.ExitCode {
	bad := func(s standing) bool { return s.OverdueSeconds > 0 || failedOutcome(s.Outcome) }
	if s.exitCode && slices.ContainsFunc(list, bad) {
		return fault.Difference.ExitCode()
	}
	return fault.OK
}

// failedOutcome reports whether a run that ended so needs somebody to look.
func failedOutcome(o result.Outcome) bool {
	switch o {
	case "", result.Succeeded, result.SucceededWithWarnings, result.Unchanged, result.Skipped:
		return false
	case result.Incomplete, result.Failed, result.Refused, result.TimedOut, result.Cancelled, result.Unknown:
	}
	return true
}

// overdueAfter is how late a run may be before its source is overdue.
const overdueAfter = time.Hour

// judge works out what a source's status and history mean now.
func judge(s *k8s.Standing, now time.Time) standing {
	j := standing{Object: s.Object, Running: s.Running, Paused: s.Paused}
	if n := len(s.Results); n > 0 {
		j.Last, j.Outcome = &s.Results[n-1], s.Results[n-1].Outcome
	}
	j.Snapshot = status.History{Results: s.Results, Snapshot: s.Snapshot}.LastSnapshot()
	last := s.Status.LastSyncTime
	if last != nil {
		j.LastSync = &last.Time
	}
	if s.Paused {
		return j
	}
	// The time zone of a CronJob that the caller may not see only its runs know: what the
	// last of them has written counts as long as it lies ahead.
	written := s.Status.NextSyncTime
	j.Next = status.NextRun(s.Schedule, now)
	if written != nil && j.Next != nil && written.After(now) {
		j.Next = &written.Time
	}
	since := s.Created // a source that never synchronised is due from its first day on
	if last != nil {
		since = last.Time
	}
	if j.Last != nil && !failedOutcome(j.Outcome) && j.Last.EndTime.After(since) {
		since = j.Last.EndTime // a run that had nothing to do was no sync, and in time all the same
	}
	due := status.NextRun(s.Schedule, since)
	if written != nil && due != nil && !failedOutcome(j.Outcome) && written.After(*due) {
		due = &written.Time
	}
	if due != nil && s.Running != "" && s.RunningSince.Sub(*due) <= overdueAfter {
		return j // that is the run which was due
	}
	if due != nil && !since.IsZero() && now.Sub(*due) > overdueAfter {
		j.OverdueSeconds = int64(now.Sub(*due).Seconds())
	}
	return j
}

func standingNames(list []standing) []string {
	var names []string
	for i := range list {
		names = append(names, objectName(list[i].Object)...)
	}
	return names
}

func writeStandings(out io.Writer, list []standing, now time.Time, wide bool) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "No sources.")
		return err
	}
	w := printers.GetNewTabWriter(out)
	columns := []string{"NAMESPACE", "SOURCE", "OUTCOME", "PROVED SNAPSHOT", "AGE", "FILES", "SIZE", "NEXT"}
	if wide {
		columns = append(columns, "LAST SYNC", "RUNNING", "REASON")
	}
	fmt.Fprintln(w, printable.Row(columns...))
	for _, s := range list {
		row := []string{s.Object.Namespace, shownName(s.Object), outcomeWord(s), "-", "-", "-", "-", "-"}
		if s.Snapshot != nil {
			row[3], row[4] = s.Snapshot.ID, duration.HumanDuration(now.Sub(s.Snapshot.StartTime))
			row[5], row[6] = humanize.Comma(s.Snapshot.Files), ui.Bytes(s.Snapshot.Size)
		} else if s.LastSync != nil && s.Object.Kind == spec.KindKopiaMaintenance {
			row[4] = duration.HumanDuration(now.Sub(*s.LastSync)) // of the last maintenance, which may be VolSync's own
		}
		if s.Next != nil {
			row[7] = "in " + duration.HumanDuration(s.Next.Sub(now))
		}
		if wide {
			row = append(row, lastSync(s), cmp.Or(s.Running, "-"), lastReason(s))
		}
		fmt.Fprintln(w, printable.Row(row...))
	}
	return w.Flush()
}

// shownName is the object's name; what is no source has its kind before it.
func shownName(o result.ObjectRef) string {
	if o.Kind == spec.KindKopiaMaintenance {
		return o.Kind + "/" + o.Name
	}
	return o.Name
}

func lastSync(s standing) string {
	if s.LastSync == nil {
		return "-"
	}
	return s.LastSync.UTC().Format(time.RFC3339)
}

// lastReason is why the last run ended as it did, in one word.
func lastReason(s standing) string {
	if s.Last == nil {
		return "-"
	}
	return cmp.Or(s.Last.Reason, "-")
}

// outcomeWord is what the table says first of a source.
func outcomeWord(s standing) string {
	switch {
	case s.Running != "":
		return "running"
	case s.OverdueSeconds > 0:
		return "OVERDUE " + duration.HumanDuration(time.Duration(s.OverdueSeconds)*time.Second)
	case s.Paused:
		return "paused"
	case s.Outcome == "":
		return "-"
	}
	return string(s.Outcome)
}

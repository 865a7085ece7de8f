package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const scheduleListLong = `List the schedules, with the last run of each object and the next one.

The last run is that of the history, whoever has begun it. A Job of which nothing stands there yet is
shown by its state: Active, Complete, or JobFailed, whose log says why. One whose pod does not start is
Pending, with the reason, as ImagePullBackOff; until it does, or is deleted, the schedule starts no other.
Times are in UTC, however the schedule counts.`

// scheduleListFlags are the flags as typed.
type scheduleListFlags struct {
	all    bool
	output string
}

func newScheduleListCommand(f *Factory) *cobra.Command {
	flags := &scheduleListFlags{}
	c := &cobra.Command{
		Use: "list", Short: "List the schedules", Long: scheduleListLong + exitCodes(0, 1, 2, 5, 130, 143), Args: noArguments,
		Example: `  # The schedules of a namespace
  kubectl volsync-kopia schedule list -n prod

  # Of all namespaces, for a script
  kubectl volsync-kopia schedule list -A -o json`,
		RunE: func(c *cobra.Command, _ []string) error { return flags.run(c.Context(), f) },
	}
	c.Flags().BoolVarP(&flags.all, "all-namespaces", "A", false, "list the schedules of every namespace")
	addOutputFlag(c, &flags.output)
	return c
}

// scheduleRow is a schedule as scripts read it.
type scheduleRow struct {
	Object      result.ObjectRef `json:"object"`
	CronJob     string           `json:"cronJob"`
	Schedule    string           `json:"schedule"`
	TimeZone    string           `json:"timeZone,omitempty"`
	Suspended   bool             `json:"suspended"`
	Active      []string         `json:"active,omitempty"`
	LastRun     *time.Time       `json:"lastRun,omitempty"`
	LastOutcome string           `json:"lastOutcome,omitempty"`
	NextRun     *time.Time       `json:"nextRun,omitempty"`
}

func (l *scheduleListFlags) run(ctx context.Context, f *Factory) error {
	if err := checkOutput(l.output); err != nil {
		return err
	}
	namespace, err := f.namespace(l.all)
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	found, err := c.Schedules(k8s.Telling(ctx, f.note), namespace, f.Now())
	if err != nil {
		return err
	}
	var rows []scheduleRow
	var names []string
	for i := range found {
		if err := found[i].Unreadable; err != nil {
			f.warning(err.Error())
		}
		rows, names = append(rows, scheduleRowOf(&found[i])), append(names, objectName(found[i].Object)...)
	}
	if isDocument(l.output) {
		return f.printDocument(l.output, reportOf(fault.OK, rows), names)
	}
	return writeSchedules(f.Streams.Out, rows, l.output == outputWide)
}

func scheduleRowOf(s *k8s.Schedule) scheduleRow {
	row := scheduleRow{
		Object: s.Object, CronJob: s.CronJob, Schedule: s.Expression, TimeZone: s.TimeZone, Suspended: s.Suspended, Active: s.Active, NextRun: s.Next,
	}
	if s.Last != nil {
		row.LastRun, row.LastOutcome = &s.Last.Began, s.Last.Outcome
	}
	return row
}

func writeSchedules(out io.Writer, rows []scheduleRow, wide bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "No schedules.")
		return err
	}
	w := printers.GetNewTabWriter(out)
	columns := []string{"NAMESPACE", "OBJECT", "SCHEDULE", "TIMEZONE", "SUSPENDED", "LAST RUN", "LAST OUTCOME", "NEXT RUN"}
	if wide {
		columns = append(columns, "CRONJOB", "ACTIVE")
	}
	fmt.Fprintln(w, printable.Row(columns...))
	for i := range rows {
		r := &rows[i]
		row := []string{
			r.Object.Namespace, r.Object.Kind + "/" + r.Object.Name, r.Schedule, cmp.Or(r.TimeZone, "-"), strconv.FormatBool(r.Suspended),
			moment(r.LastRun), cmp.Or(r.LastOutcome, "-"), moment(r.NextRun),
		}
		if wide {
			row = append(row, r.CronJob, cmp.Or(strings.Join(r.Active, ","), "-"))
		}
		fmt.Fprintln(w, printable.Row(row...))
	}
	return w.Flush()
}

// moment is a time as tables have it.
func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

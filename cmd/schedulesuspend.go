package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
)

const scheduleSuspendLong = `Stop a schedule from starting runs. One that has begun goes on, and run-now works all the same.

--apply leaves the schedule suspended. What was missed meanwhile is not made up for, but for a run that
is less than an hour late when the schedule is resumed.`

const scheduleResumeLong = `Let a suspended schedule start runs again.`

func newScheduleSuspendCommand(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "suspend NAME", Short: "Stop a schedule from starting runs", Args: oneSchedule,
		Long:    scheduleSuspendLong + exitCodes(0, 1, 2, 5, 130, 143),
		Example: `  kubectl volsync-kopia schedule suspend postgres -n prod`,
		RunE:    func(c *cobra.Command, args []string) error { return f.suspend(c.Context(), args[0], true) },
	}
}

func newScheduleResumeCommand(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "resume NAME", Short: "Let a suspended schedule start runs again", Args: oneSchedule,
		Long:    scheduleResumeLong + exitCodes(0, 1, 2, 5, 130, 143),
		Example: `  kubectl volsync-kopia schedule resume postgres -n prod`,
		RunE:    func(c *cobra.Command, args []string) error { return f.suspend(c.Context(), args[0], false) },
	}
}

// suspend suspends a schedule or resumes it, and says when there was nothing to do.
func (f *Factory) suspend(ctx context.Context, name string, suspend bool) error {
	ctx = k8s.Telling(ctx, f.note)
	c, s, err := f.findSchedule(ctx, name)
	if err != nil {
		return err
	}
	changed, err := c.Suspend(ctx, s, suspend)
	if err != nil {
		return err
	}
	word := "resumed"
	switch {
	case suspend && changed:
		word = "suspended"
	case suspend:
		word = "is suspended already"
	case !changed:
		word = "is not suspended"
	}
	_, err = fmt.Fprintf(f.Streams.Out, "cronjob.batch/%s %s\n", s.CronJob, word)
	if next := s.NextRun(f.Now()); !suspend && next != nil {
		f.note("The next run is due at %s.", moment(next))
	}
	if suspend && len(s.Active) > 0 {
		f.note("What runs goes on: job.batch/%s", s.Active[0])
	}
	return err
}

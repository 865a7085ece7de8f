package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
)

const scheduleRunNowLong = `Start a run of a schedule at once.

A Job is made from the CronJob, as kubectl create job --from does: it runs as the next one of the
schedule will, also while the schedule is suspended, and is kept as long as the CronJob's other Jobs
are. The command does not wait for it. While another Job of the schedule runs it is refused.

Kubernetes does not count this Job when the schedule is next due: a Job that starts beside it finds the
source held, is refused, and fails with exit code 5, while this one goes on. The same happens to this
one when somebody has begun a run of the source with backup.`

func newScheduleRunNowCommand(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "run-now NAME", Short: "Start a run of a schedule at once", Args: oneSchedule,
		Long: scheduleRunNowLong + exitCodes(0, 1, 2, 5, 130, 143),
		Example: `  # Back up now, as the schedule would
  kubectl volsync-kopia schedule run-now postgres -n prod`,
		RunE: func(c *cobra.Command, args []string) error { return f.runNow(c.Context(), args[0]) },
	}
}

func (f *Factory) runNow(ctx context.Context, name string) error {
	ctx = k8s.Telling(ctx, f.note)
	c, s, err := f.findSchedule(ctx, name)
	if err != nil {
		return err
	}
	job, err := c.RunNow(ctx, s, f.RandomID())
	if err != nil {
		return err
	}
	fmt.Fprintf(f.Streams.Out, "job.batch/%s created\n", job.Name)
	f.note("kubectl logs -f job/%[1]s -n %[2]s follows it; kubectl volsync-kopia runs list -n %[2]s shows the run that it begins.", job.Name, job.Namespace)
	return nil
}

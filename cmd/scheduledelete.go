package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

const scheduleDeleteLong = `Delete a schedule: its CronJob with the Jobs of that and their logs, then its ConfigMap, RoleBinding,
Role and ServiceAccount, each found by its labels and seen gone.

The source, its snapshots, the kept cache and the history of its runs stay.

While a Job of the schedule runs the command is refused. --force tells that Job to stop first and
waits: it cancels its run and cleans up with the rights that it still has, which may take as long as
the Job's grace period.`

// scheduleDeleteFlags are the flags as typed.
type scheduleDeleteFlags struct {
	force   bool
	removed time.Duration
}

func newScheduleDeleteCommand(f *Factory) *cobra.Command {
	flags := &scheduleDeleteFlags{}
	c := &cobra.Command{
		Use: "delete NAME", Short: "Delete a schedule", Args: oneSchedule,
		Long: scheduleDeleteLong + exitCodes(0, 1, 2, 5, 8, 130, 143),
		Example: `  kubectl volsync-kopia schedule delete postgres -n prod

  # Also when it runs
  kubectl volsync-kopia schedule delete postgres -n prod --force`,
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c.Context(), f, args[0]) },
	}
	c.Flags().BoolVar(&flags.force, "force", false, "cancel what runs, and wait until it has cleaned up")
	c.Flags().DurationVar(&flags.removed, "removed-timeout", plan.DefaultRemovedTimeout, removedUsage+", beside the grace period of what runs; 0: no limit")
	return c
}

func (d *scheduleDeleteFlags) run(ctx context.Context, f *Factory, name string) error {
	if err := notNegative("removed-timeout", d.removed); err != nil {
		return err
	}
	c, namespace, named, err := f.scheduleOn(name)
	if err != nil {
		return err
	}
	c.AllowRemoval(d.removed)
	gone, err := c.DeleteSchedule(k8s.Telling(ctx, f.note), namespace, named.kind, named.name, d.force)
	for _, o := range gone {
		fmt.Fprintf(f.Streams.Out, "%s deleted\n", resourceName(o))
	}
	return err
}

// resourceName names an object of the cluster as kubectl does.
func resourceName(o *unstructured.Unstructured) string {
	return k8s.ResourceName(o.GetKind(), o.GetName())
}

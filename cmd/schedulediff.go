package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

const scheduleDiffLong = `Compare the schedules of the input with the objects in the cluster, and print what --apply would change
as a unified diff. The API server itself says what would become of each object, in a dry run; nothing
is changed. Give the flags that --apply is given.

What is missing is a difference. So is a field that somebody else has set otherwise, which --apply
refuses to change without --force-conflicts. A schedule that is suspended is none. The class facts are
those that the caller may read: who may read less than whoever applied the schedule takes recorded ones,
with --facts, for both.`

func newScheduleDiffCommand(f *Factory) *cobra.Command {
	flags := &scheduleFlags{}
	c := &cobra.Command{
		Use: "diff (-f FILE... | NAME...)", Short: "Print what --apply would change",
		Long: scheduleDiffLong + exitCodes(0, 1, 2, 3, 5, 6, 9, 130, 143),
		Example: `  # Has the cluster what the manifest says? Exit 9 if not
  kubectl volsync-kopia schedule diff -f source.yaml -n prod

  # Has the source been changed since its schedule was applied?
  kubectl volsync-kopia schedule diff postgres -n prod`,
		RunE: func(c *cobra.Command, names []string) error {
			if c.Flags().Changed("output") {
				return fault.New(fault.Usage, "--output: a diff has one form").WithHint("leave it out; exit code 9 says that there is a difference")
			}
			schedules, err := flags.build(c.Context(), f, names)
			if err != nil {
				return err
			}
			return f.diffSchedules(c.Context(), schedules)
		},
	}
	flags.addTo(c)
	_ = c.Flags().MarkHidden("output") // a diff has one form; only a flag that does not exist cannot be hidden
	return c
}

// diffSchedules prints what applying the schedules would change. A difference is exit
// code 9.
func (f *Factory) diffSchedules(ctx context.Context, schedules []plan.Schedule) error {
	c, err := f.cluster()
	if err != nil {
		return err
	}
	ctx = k8s.Telling(ctx, f.note)
	different := false
	var failed []error
	for i := range schedules {
		found, err := c.DiffSchedule(ctx, schedules[i].Objects)
		for _, d := range found {
			different = true
			fmt.Fprint(f.Streams.Out, d.Text)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if different {
		return exitWith(fault.Difference.ExitCode())
	}
	return nil
}

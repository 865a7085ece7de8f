package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// addScheduleVerbs adds the verbs of schedule.
func addScheduleVerbs(f *Factory, c *cobra.Command) {
	c.AddCommand(
		newScheduleDeleteCommand(f), newScheduleDiffCommand(f), newScheduleListCommand(f), newScheduleResumeCommand(f),
		newScheduleRunNowCommand(f), newScheduleSuspendCommand(f),
	)
}

// scheduleName says which schedule is meant: that of an object by its name, and by its
// kind if it is given.
type scheduleName struct{ kind, name string }

// parseScheduleName reads NAME or KIND/NAME, the kind as kubectl takes it.
func parseScheduleName(text string) (scheduleName, error) {
	kind, name, found := strings.Cut(text, "/")
	if !found {
		kind, name = "", text
	}
	if name == "" || strings.Contains(name, "/") {
		return scheduleName{}, fault.New(fault.Usage, "%s is no NAME or KIND/NAME", quote(text))
	}
	if !found {
		return scheduleName{name: name}, nil
	}
	plain, _, _ := strings.Cut(strings.ToLower(kind), ".")
	for _, known := range []string{spec.KindReplicationSource, spec.KindKopiaMaintenance} {
		if plain == strings.ToLower(known) || plain == strings.ToLower(known)+"s" {
			return scheduleName{known, name}, nil
		}
	}
	return scheduleName{}, fault.New(fault.Usage, "%s is no kind that has schedules: it is replicationsource or kopiamaintenance", quote(kind))
}

// oneSchedule takes exactly one argument, the name of a schedule's object.
func oneSchedule(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError(c, fmt.Errorf("%s takes the name of one source, got %d arguments", c.CommandPath(), len(args)))
	}
	_, err := parseScheduleName(args[0])
	return err
}

// findSchedule returns the schedule that is meant, and the cluster that has it.
func (f *Factory) findSchedule(ctx context.Context, text string) (*k8s.Cluster, k8s.Schedule, error) {
	c, namespace, named, err := f.scheduleOn(text)
	if err != nil {
		return nil, k8s.Schedule{}, err
	}
	s, err := c.FindSchedule(ctx, namespace, named.kind, named.name)
	return c, s, err
}

// scheduleOn returns the cluster and the namespace in which a schedule is looked for.
func (f *Factory) scheduleOn(text string) (c *k8s.Cluster, namespace string, named scheduleName, err error) {
	if named, err = parseScheduleName(text); err != nil {
		return nil, "", named, err
	}
	if namespace, err = f.namespace(false); err != nil {
		return nil, "", named, err
	}
	c, err = f.cluster()
	return c, namespace, named, err
}

// scheduleNames lists the names of the objects that have schedules, as KIND/NAME where
// a name alone would not tell which.
func scheduleNames(ctx context.Context, f *Factory, namespace string) ([]cobra.Completion, error) {
	cluster, err := k8s.Connect(f.Config, rest.NoWarnings{})
	if err != nil {
		return nil, err
	}
	schedules, err := cluster.Schedules(ctx, namespace, f.Now())
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for i := range schedules {
		count[schedules[i].Object.Name]++
	}
	var names []cobra.Completion
	for i := range schedules {
		o := schedules[i].Object
		name := o.Name
		if count[name] > 1 {
			name = strings.ToLower(o.Kind) + "/" + name
		}
		names = append(names, cobra.CompletionWithDesc(name, schedules[i].Expression))
	}
	return names, nil
}

package cmd

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// scheduledFlags are those with which a schedule's CronJob starts a run. They are
// hidden: nobody else has a use for them.
type scheduledFlags struct {
	scheduled  bool
	classFacts string
	timeZone   string
}

func (s *scheduledFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&s.scheduled, "scheduled", false, "run as a schedule's CronJob does: a paused source is skipped, with an Event")
	flags.StringVar(&s.classFacts, "class-facts", "", "facts outside the namespace (a YAML file), which are then not asked for")
	flags.StringVar(&s.timeZone, "time-zone", "", "with --scheduled: what spec.trigger.schedule counts in")
	for _, name := range []string{"scheduled", "class-facts", "time-zone"} {
		_ = flags.MarkHidden(name) // only a flag that does not exist cannot be hidden
	}
}

// check refuses what means nothing.
func (s *scheduledFlags) check(p *planFlags) error {
	switch {
	case s.classFacts != "" && p.facts != "":
		return fault.New(fault.Usage, "--facts stand in for the whole cluster, --class-facts for what is outside the namespace: give one of them")
	case s.timeZone != "" && !s.scheduled:
		return fault.New(fault.Usage, "--time-zone is that of a schedule: add --scheduled")
	case s.timeZone == "":
		return nil
	}
	if err := plan.CheckTimeZone(s.timeZone); err != nil {
		return fault.New(fault.Usage, "--time-zone: %w", err).WithHint(timeZoneHint)
	}
	return nil
}

// checkNamespace refuses a scheduled run in another namespace than its schedule was made
// for: who sets the namespace of objects, as kustomize does, leaves what a ConfigMap holds.
func (f *Factory) checkNamespace(known *plan.ClassFacts) error {
	if known == nil {
		return nil
	}
	namespace, explicit, err := f.chosenNamespace()
	if err != nil || !explicit || namespace == known.Namespace {
		return err
	}
	return fault.New(fault.Refused, "the schedule was made for namespace %q, and runs in %q: manifest and class facts in its ConfigMap are those of the former",
		known.Namespace, namespace).
		WithHint("make the schedule for namespace " + namespace + "; to change its objects' metadata, as with kustomize, is not enough")
}

// timeZoneHint says what a time zone looks like.
const timeZoneHint = "give a name of the IANA database, as Europe/Berlin"

// apply reads the class facts, and says how the run is meant.
func (s *scheduledFlags) apply(p *planFlags) error {
	p.options.Scheduled, p.options.TimeZone = s.scheduled, s.timeZone
	if s.classFacts == "" {
		return nil
	}
	data, err := os.ReadFile(s.classFacts)
	if err != nil {
		return fault.New(fault.Usage, "--class-facts %w", plainPath(s.classFacts, err)).WithHint(readHint(err))
	}
	classes, err := plan.ParseClassFacts(data)
	if err != nil {
		return fault.New(fault.Invalid, "%w", err).At(s.classFacts).WithHint("make the schedule again")
	}
	p.classes = &classes
	return nil
}

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// minOperatorWindow is how long after a status change an operator counts as
// present, at the least.
const minOperatorWindow = time.Hour

// checkOperator applies the rules of paused objects and live operators, and of
// a manual trigger that was served. It returns a reason to skip, or nil.
func (b *builder) checkOperator() *Skip {
	here := holdOf(b.in.Document)
	there := here
	if live := b.liveSpec(); live != nil {
		there = live.hold
	}
	who := b.operator()
	switch {
	case who != "" && there == nil:
		b.find(problem.Error, codeOperator, "", fmt.Sprintf("%s looks after this object: %s", "a live operator", who),
			fmt.Sprintf("%s the object first: kubectl patch %s -n %s %s --type=merge -p '%s'",
				b.kind.pausing, b.kind.singular(), b.object.Namespace, b.object.Name, b.kind.pause))
	case who != "":
		b.find(problem.Info, codeOperator, there.field, "an operator is present ("+who+") and the object is "+there.state+", so the run goes ahead", "")
	case here != nil || there != nil:
		return b.held(cmp.Or(here, there))
	}
	return b.manualTrigger()
}

// held judges an object that is paused and that no operator looks after.
func (b *builder) held(by *hold) *Skip {
	switch {
	case b.in.Options.Force:
		b.find(problem.Info, codePaused, by.field, "the object is "+by.state+"; it runs because of --force", "")
		return b.manualTrigger()
	case b.in.Options.Scheduled:
		return &Skip{Reason: SkipPaused, Message: "the object is " + by.state + " (" + by.field + ")"}
	}
	b.find(problem.Error, codePaused, by.field, "the object is "+by.state, by.lift+", or give --force")
	return nil
}

// manualTrigger skips a run whose manual tag was served already.
func (b *builder) manualTrigger() *Skip {
	trigger := b.in.Document.Trigger()
	if trigger.Manual == "" || b.in.Options.Force || b.in.Options.Scheduled || b.in.Facts.lastManualSync() != trigger.Manual {
		return nil
	}
	return &Skip{
		Reason: SkipManualTriggerServed,
		Message: fmt.Sprintf("spec.trigger.manual %q equals status.lastManualSync: it was served; change it, or give --force",
			trigger.Manual),
	}
}

// operator says who else looks after the object, or "".
func (b *builder) operator() string {
	live := b.in.Facts.Object
	if live == nil {
		return ""
	}
	if len(live.Jobs) > 0 {
		return "Job " + live.Jobs[0] + " has the object as its controller"
	}
	window := minOperatorWindow
	if b.upkeep == nil { // of a KopiaMaintenance an operator writes the status every five minutes
		window = max(2*b.interval(), minOperatorWindow)
	}
	for _, m := range live.Managers {
		age := b.in.Env.Now.Sub(m.Time.Time)
		if m.Name != ManagedBy && age <= window {
			return fmt.Sprintf("%q changed its status %s ago (within %s)", m.Name, age.Round(time.Second), window)
		}
	}
	return ""
}

// Bounds of the look ahead at a schedule: a week shows what differs between its
// days, so many runs what differs between months; the last ends it for a
// schedule that runs every minute.
const (
	aheadTime    = 8 * 24 * time.Hour
	minAheadRuns = 10
	maxAheadRuns = 12000
)

// interval is the longest time between two scheduled runs, whatever the hour is
// now; 0 without a valid schedule.
func (b *builder) interval() time.Duration {
	trigger := b.in.Document.Trigger()
	if trigger.Schedule == nil {
		return 0
	}
	schedule, err := cron.ParseStandard(*trigger.Schedule)
	if err != nil {
		return 0 // the manifest's problem is reported by validation
	}
	var longest time.Duration
	last := schedule.Next(b.in.Env.Now)
	for n := 0; n < maxAheadRuns && (n < minAheadRuns || last.Sub(b.in.Env.Now) < aheadTime); n++ {
		next := schedule.Next(last)
		if last.IsZero() || next.IsZero() {
			break // it runs no more
		}
		longest, last = max(longest, next.Sub(last)), next
	}
	return longest
}

// statusObject reports whether the live object's status is this run's to
// write: the object exists and its spec is the one that is run.
func (b *builder) statusObject() bool {
	live := b.liveSpec()
	return b.in.Facts.Object != nil && (live == nil || live.same)
}

// checkStatusObject says when the object is another than the file's.
func (b *builder) checkStatusObject() {
	if b.in.Facts.Object != nil && !b.statusObject() {
		b.find(problem.Warning, codeOtherSpec, "spec",
			"the object in the cluster has another spec, so its status is not written; the outcome goes to the history ConfigMap only",
			b.unlessScheduled("kubectl apply the file, or run the object by its name"))
	}
}

// unknown lists the facts that the plan did without, in order.
func (b *builder) unknown() []Unknown {
	unknown := slices.Clone(b.in.Facts.Unknown)
	slices.SortStableFunc(unknown, func(x, y Unknown) int { return cmp.Compare(x.Fact, y.Fact) })
	return unknown
}

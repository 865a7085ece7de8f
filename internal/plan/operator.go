package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// minOperatorWindow is how long after a status change an operator counts as
// present, at the least.
const minOperatorWindow = time.Hour

// checkOperator applies the rules of paused objects and live operators, and of
// a manual trigger that was served. It returns a reason to skip, or nil.
func (b *builder) checkOperator() *Skip {
	live := b.liveSpec()
	pausedHere, pausedThere := b.source.Spec.Paused, b.source.Spec.Paused
	if live != nil {
		pausedThere = live.Paused
	}
	who := b.operator()
	switch {
	case who != "" && !pausedThere:
		b.find(problem.Error, codeOperator, "", fmt.Sprintf("%s looks after this object: %s", "a live operator", who),
			"pause the object first: kubectl patch replicationsource -n "+b.object.Namespace+" "+b.object.Name+` --type=merge -p '{"spec":{"paused":true}}'`)
	case who != "":
		b.find(problem.Info, codeOperator, "spec.paused", "an operator is present ("+who+") and the object is paused, so the run goes ahead", "")
	case pausedHere || pausedThere:
		return b.paused()
	}
	return b.manualTrigger()
}

// paused judges a paused object that no operator looks after.
func (b *builder) paused() *Skip {
	switch {
	case b.in.Options.Force:
		b.find(problem.Info, codePaused, "spec.paused", "the object is paused; it runs because of --force", "")
		return b.manualTrigger()
	case b.in.Options.Scheduled:
		return &Skip{Reason: SkipPaused, Message: "the object is paused (spec.paused)"}
	}
	b.find(problem.Error, codePaused, "spec.paused", "the object is paused", "set spec.paused to false, or give --force")
	return nil
}

// manualTrigger skips a run whose manual tag was served already.
func (b *builder) manualTrigger() *Skip {
	trigger := b.source.Spec.Trigger
	if trigger == nil || trigger.Manual == "" || b.in.Options.Force || b.in.Options.Scheduled || b.in.Facts.lastManualSync() != trigger.Manual {
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
	window := max(2*b.interval(), minOperatorWindow)
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
	if b.source.Spec.Trigger == nil || b.source.Spec.Trigger.Schedule == nil {
		return 0
	}
	schedule, err := cron.ParseStandard(*b.source.Spec.Trigger.Schedule)
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

// liveSpec decodes the live object's spec, or nil.
func (b *builder) liveSpec() *spec.ReplicationSourceSpec {
	live := b.in.Facts.Object
	if live == nil || len(live.Spec) == 0 {
		return nil
	}
	var s spec.ReplicationSourceSpec
	if json.Unmarshal(live.Spec, &s) != nil {
		return nil
	}
	return &s
}

// statusObject reports whether the live object's status is this run's to
// write: the object exists and its spec is the one that is run.
func (b *builder) statusObject() bool {
	live := b.liveSpec()
	return b.in.Facts.Object != nil && (live == nil || equality.Semantic.DeepEqual(*live, b.source.Spec))
}

// checkStatusObject says when the object is another than the file's.
func (b *builder) checkStatusObject() {
	if b.in.Facts.Object != nil && !b.statusObject() {
		b.find(problem.Warning, codeOtherSpec, "spec",
			"the object in the cluster has another spec, so its status is not written; the outcome goes to the history ConfigMap only",
			"kubectl apply the file, or run the object by its name")
	}
}

// unknown lists the facts that the plan did without, in order.
func (b *builder) unknown() []Unknown {
	unknown := slices.Clone(b.in.Facts.Unknown)
	slices.SortStableFunc(unknown, func(x, y Unknown) int { return cmp.Compare(x.Fact, y.Fact) })
	return unknown
}

package plan

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // whether there is a time zone must not depend on the machine

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// DefaultTimeZone is that of a schedule for which no other is given.
const DefaultTimeZone = "Etc/UTC"

// ScheduleOptions are the user's choices for a schedule, beside those of its runs.
type ScheduleOptions struct {
	// TimeZone is a name of the IANA database; empty: DefaultTimeZone.
	TimeZone string
}

// Schedule are the objects that run a source at the times of its trigger: a CronJob of
// this program, and what it needs.
type Schedule struct {
	Object result.ObjectRef `json:"object"`
	// Expression is spec.trigger.schedule.
	Expression string `json:"expression"`
	TimeZone   string `json:"timeZone"`
	// Objects are ServiceAccount, Role, RoleBinding, ConfigMap and CronJob, in the order
	// in which they are to be created. They have no holes. A schedule with an error among
	// its findings has none.
	Objects  []Template   `json:"objects,omitempty"`
	Findings problem.List `json:"findings,omitempty"`
}

// BuildSchedule makes the schedule of a ReplicationSource or a KopiaMaintenance. in.Options are those of its
// runs; in.Facts are what the cluster is like now, of which the ConfigMap keeps the
// class facts.
//
// The returned list is the schedule's Findings. What the plan of a run finds that no
// run could get past is an error here, too; what may be otherwise by then is not. The
// same input gives the same objects. in.Document must hold one of them.
func BuildSchedule(in Input, o ScheduleOptions) (Schedule, problem.List) {
	in = unattended(in, o)
	b, _ := begin(in)
	s := Schedule{Object: objectOf(in), TimeZone: in.Options.TimeZone}
	if schedule := in.Document.Trigger().Schedule; schedule != nil {
		s.Expression = strings.TrimSpace(*schedule)
	}
	b.checkTrigger(s)
	b.checkClassFacts()
	build := BuildBackup
	if b.upkeep != nil {
		build = BuildMaintenance
	}
	run, found := build(in)
	s.Findings = b.forSchedule(found)
	if !s.Findings.HasErrors() && !b.findings.HasErrors() {
		s.Objects = b.scheduleObjects(s, run.Needs)
	}
	if b.err != nil {
		b.find(problem.Error, codeTemplate, "", "an object of the schedule cannot be made: "+b.err.Error(), "please report this as a defect")
	}
	b.findings.Sort()
	s.Findings = append(s.Findings, b.findings...)
	if s.Findings.HasErrors() {
		s.Objects = nil
	}
	return s, s.Findings
}

// unattended is the input of the runs that the CronJob starts: what is true only now, or
// of whoever makes the schedule, is taken away.
func unattended(in Input, o ScheduleOptions) Input {
	in.Options.Scheduled, in.Options.Force, in.Options.Detach = true, false, false
	in.Options.TimeZone = o.TimeZone
	if in.Options.TimeZone == "" {
		in.Options.TimeZone = DefaultTimeZone
	}
	in.Env.Local, in.Env.Holder = nil, ""
	in.Facts.Rights, in.Facts.Quotas = nil, nil
	if in.Facts.Object == nil {
		in.Facts.Object = &Object{} // it may be there by then, and its status is to be written
	}
	return in
}

// checkTrigger refuses a source that says no time, and a time zone that there is not.
func (b *builder) checkTrigger(s Schedule) {
	if s.Expression == "" {
		b.find(problem.Error, codeNoSchedule, "spec.trigger", "there is no spec.trigger.schedule that says when to run",
			`set it, as schedule: "0 2 * * *"`)
	}
	if why := CheckTimeZone(s.TimeZone); why != nil {
		b.find(problem.Error, codeTimeZone, "", why.Error(), "give a name of the IANA database, as Europe/Berlin, or leave it out for "+DefaultTimeZone)
	}
	if h := holdOf(b.in.Document); h != nil {
		b.find(problem.Warning, codePausedSchedule, h.field,
			"the object is "+h.state+": its runs are skipped, each with an Event, until the schedule is made from one that is not",
			h.lift+" and make the schedule again")
	}
}

// checkClassFacts says what the runs will never know.
func (b *builder) checkClassFacts() {
	var names, reasons []string
	for _, u := range b.in.Facts.unknownOutside() {
		names, reasons = append(names, string(u.Fact)), append(reasons, u.Reason)
	}
	if len(names) > 0 {
		b.find(problem.Warning, codeClassFactsUnknown, "",
			fmt.Sprintf("what no run will know, for it could not be read: %s (%s)", strings.Join(names, ", "), strings.Join(reasons, "; ")),
			"make the schedule as somebody who has the ClusterRole "+RoleName+" of doctor --print-role, or with --facts that he has recorded")
	}
}

// CheckTimeZone says why a CronJob could not have the time zone; nil: it can.
func CheckTimeZone(zone string) error {
	if zone == "" || strings.EqualFold(zone, "Local") {
		return fmt.Errorf("%q is not the name of a time zone", zone)
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return fmt.Errorf("%q is not the name of a time zone", zone)
	}
	return nil
}

// forSchedule are the findings of the plan of a run, as far as they hold for runs that
// are yet to come.
func (b *builder) forSchedule(found problem.List) problem.List {
	kept := make(problem.List, len(found))
	for i, p := range found {
		switch p.Code {
		case codeOperator:
			if p.Severity == problem.Error {
				p.Severity, p.Message = problem.Warning, p.Message+"; every run is refused as long as it does"
			}
		case codeRetained:
			p.Severity, p.Message = problem.Warning, p.Message+"; every run is refused until it may"
		case codeOtherSpec:
			p.Fix = "kubectl apply the file, or make the schedule of the object by its name"
		}
		kept[i] = p
	}
	return kept
}

// zoned is the source's schedule with its time zone, as cron reads both.
func (b *builder) zoned(schedule string) string {
	return ZonedSchedule(schedule, b.in.Options.TimeZone)
}

// ZonedSchedule is a schedule that counts in a time zone, in the words of cron; an empty
// zone is none.
func ZonedSchedule(schedule, zone string) string {
	if zone == "" {
		return schedule
	}
	return "CRON_TZ=" + zone + " " + schedule
}

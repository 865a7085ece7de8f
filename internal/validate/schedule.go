package validate

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// trigger judges when an object runs by itself.
func (c *check) trigger(path string, t *spec.Trigger) {
	if t == nil {
		return
	}
	if t.Schedule != nil {
		c.schedule(path+".schedule", *t.Schedule)
	}
	if t.Schedule == nil || t.Manual == "" {
		return
	}
	if c.doc.Maintenance != nil {
		c.fail("VK137", path, "trigger has both schedule and manual, and a KopiaMaintenance may have only one of them",
			"remove one of the two")
		return
	}
	c.warn("VK137", path, "trigger has both schedule and manual: VolSync then ignores the schedule, while the schedule command uses it",
		"remove the one that is not meant")
}

// schedule judges a cron expression by the rules of a Kubernetes CronJob, which
// will run it.
func (c *check) schedule(path, text string) {
	fields := strings.Fields(text)
	switch {
	case len(fields) == 0:
		c.fail("VK134", path, "the schedule is empty", `give five fields, as "0 2 * * *", or a word as @daily`)
		return
	case strings.HasPrefix(fields[0], "TZ=") || strings.HasPrefix(fields[0], "CRON_TZ="):
		c.fail("VK135", path, "a time zone inside the schedule is refused by CronJobs, which have a field for it",
			"write the schedule without "+fields[0]+" and give the zone to the schedule command")
		return
	case fields[0] == "@every":
		c.fail("VK135", path, "@every counts from the start of a process that stays, and a CronJob has none",
			`give the times, as "0 */6 * * *" for every six hours`)
		return
	case fields[0] == "@reboot":
		c.fail("VK135", path, "@reboot has no meaning in a cluster", `give the times, as "0 2 * * *", or a word as @daily`)
		return
	case len(fields) == 6:
		c.fail("VK135", path, "the schedule has six fields, and a CronJob has no seconds: the five are minute, hour, day of month, month and day of week",
			"remove the first field, the seconds: "+quoted(strings.Join(fields[1:], " ")))
		return
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		c.fail("VK134", path, quoted(text)+" is not a schedule: "+strings.TrimPrefix(err.Error(), "cron: "),
			`give five fields (minute, hour, day of month, month, day of week), as "0 2 * * *", or a word as @daily`)
		return
	}
	if parsed.Next(time.Unix(0, 0).UTC()).IsZero() {
		c.warn("VK136", path, quoted(text)+" names a date that no year has: it never runs", "correct the day or the month")
	}
}

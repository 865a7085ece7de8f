package mover

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// beforeAction runs beforeSnapshot. Its failure ends the run before a snapshot.
func (d *driver) beforeAction(ctx context.Context) error {
	d.sayActionsOff()
	if !d.hasActions() || d.task.Backup.Actions.Before == "" {
		return nil
	}
	d.begin("beforeSnapshot")
	report, err := d.act(ctx, "beforeSnapshot", d.task.Backup.Actions.Before)
	if err != nil {
		return failed("BeforeActionFailed", fault.New(fault.Failed, "%w", err))
	}
	if ctx.Err() != nil {
		return stopOf(ctx, "; no snapshot was made")
	}
	if why := faulty(report); why != "" {
		return failed("BeforeActionFailed", fault.New(fault.Failed, "the beforeSnapshot action %s; no snapshot was made", why).
			WithHint("its output stands in the mover's log"))
	}
	return nil
}

// afterAction runs afterSnapshot, also when the run has been cancelled or is
// cancelled meanwhile: then within the grace period. Its failure is a warning.
func (d *driver) afterAction(ctx context.Context) {
	if !d.hasActions() || d.task.Backup.Actions.After == "" {
		return
	}
	d.begin("afterSnapshot")
	detached, end := d.graceful(ctx)
	defer end()
	report, err := d.act(detached, "afterSnapshot", d.task.Backup.Actions.After)
	why := faulty(report)
	if err != nil {
		why = "failed: " + err.Error()
	}
	if why != "" {
		d.warn("VK422", "the afterSnapshot action "+why)
		d.phaseFailed()
	}
}

// graceful returns a context that outlives ctx by what is left of the grace
// period then, and what frees it.
func (d *driver) graceful(ctx context.Context) (context.Context, func()) {
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(d.graceLeft(), func() { cancel(context.DeadlineExceeded) })
	})
	return detached, func() {
		stop()
		cancel(nil)
	}
}

// leastForAfter is what an after-action gets even when the grace period is used
// up: with the delay of a kill it fits in what a pod's own limit leaves beyond.
const leastForAfter = 3 * time.Second

// graceLeft is what is left of the grace period of a cancelled run.
func (d *driver) graceLeft() time.Duration {
	left := d.grace()
	if since := d.cancelledAt.Load(); since != nil {
		left -= d.options.Clock().Sub(*since)
	}
	return max(left, leastForAfter)
}

// kopiaGrace is kopia's part of the grace period: an after-action, which may
// have to wake what the before-action put to sleep, needs some of it.
func (d *driver) kopiaGrace() time.Duration {
	grace := d.grace()
	if d.task.Backup != nil && d.task.Backup.Actions != nil && d.task.Backup.Actions.After != "" {
		grace -= min(grace/4, 30*time.Second)
	}
	return grace
}

// hasActions reports whether there are actions and repository.config does not
// turn them off.
func (d *driver) hasActions() bool {
	return d.task.Backup.Actions != nil && (d.settings.EnableActions == nil || *d.settings.EnableActions)
}

// sayActionsOff tells the log of actions that do not run: whoever wrote them
// may rely on what they do.
func (d *driver) sayActionsOff() {
	if d.task.Backup.ActionsOff || d.task.Backup.Actions != nil && !d.hasActions() {
		d.log.sayf("VK318 the actions are not run: %s turns them off (enableActions)",
			cmp.Or(d.settings.Origins[policy.SettingEnableActions].From, "the configuration"))
	}
}

func (d *driver) actionTimeout() time.Duration {
	switch {
	case d.settings.ActionTimeout > 0:
		return d.settings.ActionTimeout
	case d.task.Backup.Actions.Timeout > 0:
		return time.Duration(d.task.Backup.Actions.Timeout)
	}
	return time.Duration(result.DefaultActionTimeout)
}

func (d *driver) act(ctx context.Context, name, command string) (result.ActionReport, error) {
	action := kopiaexec.Action{
		Name: name, Command: command, Dir: d.task.Backup.Root, ScriptDir: d.task.WorkDir,
		Env: d.actionEnv(), Timeout: d.actionTimeout(),
	}
	d.log.sayf("Running the %s action.", name)
	start := d.options.Clock()
	report, err := action.Run(ctx, func(line string) { d.log.sayf("%s: %s", name, line) })
	report.Took = result.Duration(d.options.Clock().Sub(start).Round(time.Millisecond))
	d.res.Actions = append(d.res.Actions, report)
	return report, err
}

// actionEnv is all that an action finds in its environment.
func (d *driver) actionEnv() []string {
	path := d.options.Path
	if path == "" {
		path = kopiaexec.DefaultPath
	}
	return []string{
		"PATH=" + path, "HOME=/tmp", "LANG=C.UTF-8", "TZ=UTC",
		"DATA_DIR=" + d.task.Backup.Root, "VOLSYNC_KOPIA_RUN=" + d.task.RunID,
	}
}

// faulty says how an action failed; empty: it did not.
func faulty(report result.ActionReport) string {
	switch {
	case report.TimedOut:
		return "was killed at its time limit"
	case report.ExitCode < 0:
		return "was ended by a signal"
	case report.ExitCode != 0:
		return fmt.Sprintf("ended with exit code %d", report.ExitCode)
	}
	return ""
}

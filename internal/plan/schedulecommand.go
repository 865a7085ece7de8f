package plan

import (
	"strconv"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// envNamespace is the driver's variable that holds its pod's namespace.
const envNamespace = "POD_NAMESPACE"

// driverCommand is the command line of a scheduled run: what it always says, then the
// options that are not the documented defaults. The namespace is the pod's, which may be
// another than that which the schedule was made for: then the run is refused.
func (b *builder) driverCommand() []string {
	o := b.in.Options
	verb, flags := "backup", append(sourceFlags(o, DefaultOptions()), limitFlags(o, DefaultOptions())...)
	if b.upkeep != nil {
		verb, flags = "maintenance", limitFlags(o, DefaultOptions())
	}
	command := []string{
		moverProgram, verb, "--filename=" + scheduleFile(ScheduleManifest), "--class-facts=" + scheduleFile(ScheduleClassFacts),
		"--namespace=$(" + envNamespace + ")", "--scheduled", "--time-zone=" + o.TimeZone, "--policy-errors=" + string(o.PolicyErrors), "--progress=plain",
		"--mover-image=" + b.in.Env.Image,
	}
	if v := b.in.Env.KopiaVersion; v != "" && v != argv.DefaultVersion {
		command = append(command, "--kopia-version="+v)
	}
	for _, flag := range flags {
		if flag.value != flag.usual {
			command = append(command, "--"+flag.name+"="+flag.value)
		}
	}
	return command
}

// optionFlag is an option as it is typed, with the value that it has untyped.
type optionFlag struct{ name, value, usual string }

func switchFlag(name string, value, usual bool) optionFlag {
	return optionFlag{name, strconv.FormatBool(value), strconv.FormatBool(usual)}
}

func limitFlag(name string, value, usual result.Duration) optionFlag {
	return optionFlag{name, time.Duration(value).String(), time.Duration(usual).String()}
}

// sourceFlags are the options that only a run of a source has. Hooks of a command line
// are not among them: the manifest carries them.
func sourceFlags(o, usual Options) []optionFlag {
	t, u := o.Timeouts, usual.Timeouts
	return []optionFlag{
		{"prove", string(o.Prove), string(usual.Prove)},
		{"on-empty", string(o.OnEmpty), string(usual.OnEmpty)},
		{"create-repository", string(o.CreateRepository), string(usual.CreateRepository)},
		switchFlag("strict", o.Strict, usual.Strict),
		switchFlag("actions-on-live-volume", o.ActionsOnLiveVolume, usual.ActionsOnLiveVolume),
		switchFlag("allow-policy-actions", o.AllowPolicyActions, usual.AllowPolicyActions),
		limitFlag("ready-timeout", t.SnapshotReady, u.SnapshotReady),
		limitFlag("bound-timeout", t.Bound, u.Bound),
		limitFlag("triggered-timeout", t.CopyTrigger, u.CopyTrigger),
	}
}

// limitFlags are the bounds of every run.
func limitFlags(o, usual Options) []optionFlag {
	t, u := o.Timeouts, usual.Timeouts
	return []optionFlag{
		limitFlag("timeout", t.Running, u.Running),
		limitFlag("keep-job", o.KeepJob, usual.KeepJob),
		limitFlag("scheduled-timeout", t.Scheduled, u.Scheduled),
		limitFlag("started-timeout", t.Started, u.Started),
		limitFlag("idle-timeout", t.Idle, u.Idle),
		limitFlag("removed-timeout", t.Removed, u.Removed),
		limitFlag("cancel-grace", t.CancelGrace, u.CancelGrace),
	}
}

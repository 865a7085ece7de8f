package mover

import (
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// checkActions looks at the actions in the repository's policies that are not the
// manifest's: whoever may write to a repository must not be able to run commands
// in this mover. While kopia's actions are off they are told of; kopia can only
// switch all of them on, so a run that needs the manifest's own is refused.
func (d *driver) checkActions(now policy.Export) error {
	foreign := d.settings.Desired.ForeignActions(now)
	if len(foreign) == 0 {
		return nil
	}
	var names []string
	for _, a := range foreign {
		names = append(names, a.String())
	}
	which := strings.Join(names, ", ")
	if !d.config.EnableActions {
		d.find(problem.Info, "VK431", "actions in the repository's policies are not run: "+which)
		return nil
	}
	return refused("ForeignActions", fault.New(fault.Refused,
		"the repository's policies hold actions that are not this manifest's, and kopia would run them with it: %s", which).
		WithHint("remove them: kopia policy edit "+argument(foreign[0].Target)+"; or run without --allow-policy-actions, then kopia runs none"))
}

// argument is a policy's target as a shell and kopia take it.
func argument(target policy.Target) string {
	if target == policy.Global {
		return "--global"
	}
	return "'" + strings.ReplaceAll(string(target), "'", `'\''`) + "'"
}

// checkSchedule refuses a source that kopia could not mark as manual, which it
// does, and fails to do, after it has saved the snapshot: each attempt would leave
// one more that nobody knows of.
func (d *driver) checkSchedule(now policy.Export, src source) error {
	if argv.SnapshotSource(src.dir, d.res.Identity) == "" || !d.settings.Desired.Scheduled(now) {
		return nil
	}
	return refused(string(kopiaexec.ReasonScheduledSource), fault.New(fault.Refused,
		"the policy of %s in the repository has a schedule of its own", d.res.Identity).
		WithWhy("kopia marks a source whose snapshots are recorded under another path than they are read from as manual, and cannot where there is a schedule").
		WithHint("remove that schedule from the repository: kopia policy delete "+argument(policy.SourceTarget(d.res.Identity))))
}

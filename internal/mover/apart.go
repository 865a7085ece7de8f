package mover

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
)

// checkApart refuses directories within each other: a repository in the source
// would be backed up into itself, larger each time, and a restore into the
// repository would destroy it. In a pod they are volumes of their own; on a
// user's machine they are what somebody typed. Nothing has been made by then.
func (d *driver) checkApart(what, dir string) error {
	type place struct{ name, dir, hint string }
	places := []place{
		{"the cache", d.task.CacheDir, "with --local, --state-dir names another directory for it"},
		{"the run's private directory", d.task.WorkDir, "set XDG_RUNTIME_DIR or TMPDIR to a directory outside"},
	}
	if fs := d.place.Storage.Filesystem; fs != nil {
		places = append(places, place{"the repository", fs.Path, "move the repository, or choose another directory than " + dir})
	}
	for _, p := range places {
		switch kopiaexec.Within(p.dir, dir) {
		case kopiaexec.Inside:
			return refused("DirectoriesOverlap", fault.New(fault.Refused, "%s (%s) lies in %s (%s)", p.name, p.dir, what, dir).WithHint(p.hint))
		case kopiaexec.Around:
			return refused("DirectoriesOverlap", fault.New(fault.Refused, "%s (%s) lies in %s (%s)", what, dir, p.name, p.dir).WithHint(p.hint))
		case kopiaexec.Apart:
		}
	}
	return nil
}

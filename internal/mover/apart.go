package mover

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
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
		switch within(p.dir, dir) {
		case inside:
			return refused("DirectoriesOverlap", fault.New(fault.Refused, "%s (%s) lies in %s (%s)", p.name, p.dir, what, dir).WithHint(p.hint))
		case around:
			return refused("DirectoriesOverlap", fault.New(fault.Refused, "%s (%s) lies in %s (%s)", what, dir, p.name, p.dir).WithHint(p.hint))
		case apart:
		}
	}
	return nil
}

// relation says where one directory lies as seen from another.
type relation int

const (
	apart relation = iota
	inside
	around
)

// within compares the real directories, whatever links lead to them. The same
// one is inside.
func within(a, b string) relation {
	a, b = realPath(a), realPath(b)
	switch {
	case below(a, b):
		return inside
	case below(b, a):
		return around
	}
	return apart
}

func below(a, b string) bool {
	rel, err := filepath.Rel(b, a)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}

// realPath resolves the links of a path as far as it exists; the rest of it is made
// below.
func realPath(path string) string {
	rest := ""
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(resolved, rest)
		}
		if dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

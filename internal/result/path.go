package result

import (
	"path"
	"strings"
)

// MountPath is where a mover in a pod sees the volume. Snapshots are recorded
// below it wherever they are made.
const MountPath = "/data"

// WithoutMount takes the mount path off a sourcePath that starts with it, as it
// is written by those who see the volume in a pod: "/data/x" gives "x", and
// "/data" gives ".", the whole volume. false: the path does not start with it;
// "data/x" is a directory of the volume.
func WithoutMount(sourcePath string) (short string, ok bool) {
	clean := path.Clean(sourcePath)
	if clean == MountPath {
		return ".", true
	}
	return strings.CutPrefix(clean, MountPath+"/")
}

// RecordedPath returns the path that the snapshots of a source are recorded
// under: the override, or the mount path with sourcePath below it. otherwise is
// the path when the volume has no directory of the name that sourcePath gives
// with the mount path in front, and empty when there is no such choice.
//
// Both are cleaned, as kopia cleans a path that it is given without an identity.
func RecordedPath(sourcePath, override string) (recorded, otherwise string) {
	if override != "" {
		return path.Clean(override), ""
	}
	if short, ok := WithoutMount(sourcePath); ok {
		otherwise = path.Join(MountPath, short)
	}
	return path.Join(MountPath, sourcePath), otherwise
}

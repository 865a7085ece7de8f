// Package release knows kopia's versions: the default one, and whose table
// serves for a version that has none of its own.
package release

import (
	"slices"
	"strconv"
	"strings"
)

// Default is the version of kopia that runs when nobody says another, and whose
// table serves when a version is not known or has no table of its own minor
// release.
const Default = "0.22.3"

// Nearest returns the one of the versions with a table that serves for the
// wanted version ("0.22.3", a leading v is taken too): itself, else the one
// nearest to it of the same minor release, else Default.
func Nearest(wanted string, tables []string) string {
	want := numbers(wanted)
	best, bestDistance := Default, -1
	for _, v := range tables {
		have := numbers(v)
		if want == nil || have == nil || have[0] != want[0] || have[1] != want[1] {
			continue
		}
		distance := max(have[2]-want[2], want[2]-have[2])
		if bestDistance < 0 || distance < bestDistance {
			best, bestDistance = v, distance
		}
	}
	return best
}

// Minor returns a version as people say it, "0.22" of "v0.22.3"; what is no
// version comes back as it is.
func Minor(version string) string {
	n := numbers(version)
	if n == nil {
		return version
	}
	return strconv.Itoa(n[0]) + "." + strconv.Itoa(n[1])
}

// Compare orders versions, oldest first; what is no version is older than any.
func Compare(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

// numbers returns the three numbers of a version, or nil for anything else. A
// suffix such as "-rc1" is left aside; "0.22" is read as 0.22.0.
func numbers(version string) []int {
	core, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(core, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return nil
	}
	out := make([]int, 3)
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil {
			return nil
		}
		out[i] = n
	}
	return out
}

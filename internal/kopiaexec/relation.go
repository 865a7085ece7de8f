package kopiaexec

import (
	"os"
	"path/filepath"
	"strings"
)

// Relation says where one directory lies as seen from another.
type Relation int

// The relations: neither holds the other; the first lies in the second, or is it; the
// second lies in the first.
const (
	Apart Relation = iota
	Inside
	Around
)

// Within compares the real directories, whatever links lead to them and however much
// of them exists.
func Within(a, b string) Relation {
	a, b = RealPath(a), RealPath(b)
	switch {
	case below(a, b):
		return Inside
	case below(b, a):
		return Around
	}
	return Apart
}

func below(a, b string) bool {
	rel, err := filepath.Rel(b, a)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}

// RealPath resolves the links of a path as far as it exists; the rest of it is made
// below.
func RealPath(path string) string {
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

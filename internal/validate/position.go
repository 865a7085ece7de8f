package validate

import (
	"cmp"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

func comparePositions(a, b problem.Position) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// fieldPath turns a JSON pointer into the way that paths are written in
// problems: /spec/kopia/additionalArgs/1 is spec.kopia.additionalArgs[1].
func fieldPath(pointer string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = unescapePointer(part)
		switch {
		case part == "":
		case isIndex(part):
			b.WriteString("[" + part + "]")
		case b.Len() == 0:
			b.WriteString(part)
		default:
			b.WriteString("." + part)
		}
	}
	return b.String()
}

func unescapePointer(part string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
}

func isIndex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

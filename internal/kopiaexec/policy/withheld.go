package policy

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// shown returns a value that a repository has or gets as JSON text for people,
// or result.Withheld when it must not be told.
func shown(value any, show bool) string {
	if !show {
		return result.Withheld
	}
	return text(value)
}

// showsStored reports whether the value that a repository holds may be shown.
// It does not say where it came from, so what a Secret can have set is not shown,
// even when the manifest names no Secret any more.
//
// The global policy may have come from a policy Secret as a whole. Beside a
// ConfigMap its numbers, truth values and names of algorithms are shown all the
// same: they say nothing of their own. Its lists and commands may.
func (d Desired) showsStored(target Target, path string, value any) bool {
	if target == Global {
		_, named := d.targets[target][path]
		return named && !d.fromSecret && isPlain(value)
	}
	return !slices.Contains(secretPaths(), path)
}

// secretPaths are the values of a source's own policy that a Secret can have
// set: KOPIA_MANUAL_CONFIG, or a policy Secret whose list the source extends.
func secretPaths() []string {
	paths := inheritedLists()
	var collect func(fields map[string]rule)
	collect = func(fields map[string]rule) {
		for _, r := range fields {
			if r.to != "" && !strings.HasPrefix(r.to, "#") {
				paths = append(paths, r.to)
			}
			collect(r.fields)
		}
	}
	collect(manualRules())
	return paths
}

func isPlain(value any) bool {
	switch value.(type) {
	case bool, string, json.Number:
		return true
	}
	return false
}

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

func (w *walker) unknown(fields map[string]rule, key, pointer string) {
	if isCredential(key) {
		w.credential(pointer)
		return
	}
	message := fmt.Sprintf("%q is not a key that kopia or the documentation page knows here", clip(key))
	fix := "the keys here are: " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
	switch near := problem.Nearest(key, slices.Sorted(maps.Keys(fields))); {
	case near != "":
		message += fmt.Sprintf("; did you mean %q?", near)
		fix = fmt.Sprintf("write %q", near)
	case strings.Count(pointer, "/") == 1 && (key == string(Global) || strings.Contains(key, "@")):
		fix = "write the policy itself, without the name of its target around it"
	default:
		if home := homeOf(key); home != "" {
			message += fmt.Sprintf("; it belongs in %q", home)
			fix = fmt.Sprintf("move it into %q", home)
		}
	}
	w.note(codeUnknownKey, problem.Error, pointer, message, fix)
}

// homeOf returns the section of a policy that has the key.
func homeOf(key string) string {
	rules := policyRules()
	for _, section := range slices.Sorted(maps.Keys(rules)) {
		if _, ok := rules[section].fields[key]; ok {
			return section
		}
	}
	return ""
}

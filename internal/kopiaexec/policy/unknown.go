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
	switch near := nearest(key, slices.Sorted(maps.Keys(fields))); {
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

// nearest returns the candidate that differs least from word, if it is near
// enough to be a slip: case apart, a third of the letters.
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	best, distance := "", max(1, len(word)/3)+1
	for _, candidate := range candidates {
		if d := edits(strings.ToLower(word), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// edits counts the letters to insert, remove or change between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

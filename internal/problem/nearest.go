package problem

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the one of the known names that was probably meant by a word
// that is none of them, of equals the first, or "" when none is near: letters'
// case and underscores for dashes aside, one slip in a very short word, two in
// one of up to eight letters and three in a longer one.
func Nearest(word string, known []string) string {
	// Nothing that anybody knows is so long, and comparing takes its time.
	const longest = 64
	if len(word) > longest {
		return ""
	}
	slips := min(3, max(2, len(word)/3))
	if len(word) <= 3 {
		slips = 1
	}
	best, fewest := "", slips+1
	for _, name := range known {
		if n := levenshtein.ComputeDistance(plain(word), plain(name)); n < fewest {
			best, fewest = name, n
		}
	}
	return best
}

func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

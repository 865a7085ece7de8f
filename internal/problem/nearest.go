package problem

import (
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the one of the known names that was probably meant by a word
// that is none of them, of equals the first, or "" when none is near: letters'
// case and underscores for dashes aside, one slip in a very short word, two in
// one of up to eight letters and three in a longer one. Of names that differ from
// the word in the number at their end only, the nearest number is chosen.
func Nearest(word string, known []string) string {
	// No known name is this long, and comparing long words is slow.
	const longest = 64
	if len(word) > longest {
		return ""
	}
	if name := nearestNumber(word, known); name != "" {
		return name
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

// nearestNumber returns the name with the word's text and the nearest number, as
// s2-parallel-8 for s2-parallel-16.
func nearestNumber(word string, known []string) string {
	text, wanted, ok := numbered(word)
	best, distance := "", 0
	for _, name := range known {
		same, have, numeric := numbered(name)
		if away := max(have-wanted, wanted-have); ok && numeric && same == text && (best == "" || away < distance) {
			best, distance = name, away
		}
	}
	return best
}

// numbered cuts a name before the number at its end.
func numbered(name string) (text string, number int, ok bool) {
	text = strings.TrimRight(name, "0123456789")
	number, err := strconv.Atoi(name[len(text):])
	return plain(text), number, err == nil
}

func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

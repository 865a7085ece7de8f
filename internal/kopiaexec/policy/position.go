package policy

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

type place struct{ line, column int }

// placesAt turns byte offsets into places in one pass over the text, so that
// a document of the largest size with very many parts stays linear.
func placesAt(data []byte, offsets map[string]int) map[string]place {
	pointers := slices.SortedFunc(maps.Keys(offsets), func(a, b string) int {
		return cmp.Or(cmp.Compare(offsets[a], offsets[b]), cmp.Compare(a, b))
	})
	places := make(map[string]place, len(offsets))
	at, here := 0, place{1, 1}
	for _, pointer := range pointers {
		for at < offsets[pointer] && at < len(data) {
			r, size := utf8.DecodeRune(data[at:])
			at += size
			here.column++
			if r == '\n' {
				here = place{here.line + 1, 1}
			}
		}
		places[pointer] = here
	}
	return places
}

// join extends a JSON pointer. A pointer that is very long already stays as it
// is: nothing that kopia knows is there, and a hostile text must not make the
// table of positions grow with the square of its size.
func join(pointer, key string) string {
	const longest = 512
	if len(pointer) > longest {
		return pointer
	}
	return pointer + "/" + escape(key)
}

// clip bounds a key for a message.
func clip(key string) string {
	const longest = 64
	letters := []rune(key)
	if len(letters) <= longest {
		return key
	}
	return string(letters[:longest]) + "..."
}

// escape makes a key a part of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func placeAt(data []byte, offset int) place {
	before := data[:min(offset, len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return place{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1}
}

package argv

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const redacted = "[redacted]"

// word is one flag as it was written, before anything is known about it.
type word struct {
	index, entries int
	// name has no dashes. A short flag has one letter.
	name     string
	short    bool
	value    string
	hasValue bool
	// spaced is true when a blank, not "=", parts name and value in one entry.
	spaced bool
	// junk says why the entry is no flag at all, empty when it is one.
	junk string
}

// readWord reads one entry the way kopia's parser would, and takes besides it
// "--name value" in one entry, which kopia would not understand.
func readWord(entry string) word {
	w := word{entries: 1}
	switch {
	case entry == "":
		w.junk = "it is empty, and kopia would read it as a path"
	case entry == "--":
		w.junk = `"--" ends the flags, and kopia would read all that follows as paths`
	case entry == "-":
		w.junk = `"-" is no flag`
	case strings.HasPrefix(entry, "--"):
		w.readLong(entry[2:])
	case entry[0] == '-':
		_, size := utf8.DecodeRuneInString(entry[1:])
		w.short, w.name = true, entry[1:1+size]
		w.value, w.hasValue = strings.TrimPrefix(entry[1+size:], "="), len(entry) > 1+size
	case strings.TrimLeftFunc(entry, unicode.IsSpace) != entry:
		w.junk = "it starts with white space, and kopia would read it as a path"
	case strings.HasPrefix(entry, "–") || strings.HasPrefix(entry, "—"):
		w.junk = `it starts with a typographic dash, not with "--"`
	default:
		w.junk = "it is not a flag, and kopia would back it up as one more path"
	}
	return w
}

func (w *word) readLong(rest string) {
	end := strings.IndexFunc(rest, func(r rune) bool { return r == '=' || unicode.IsSpace(r) })
	if end == 0 {
		w.junk = `no name follows its "--"`
		return
	}
	if end < 0 {
		w.name = rest
		return
	}
	w.name = rest[:end]
	if rest[end] == '=' {
		w.value, w.hasValue = rest[end+1:], true
		return
	}
	w.value = strings.TrimLeftFunc(rest[end:], unicode.IsSpace)
	w.hasValue, w.spaced = w.value != "", true
}

// takeNext makes the next entry the value of a word that has none, under the
// rule of kopia's parser: a value does not start with a dash. With force it
// may; that is for values that must not be read, and shown, as anything else.
func (w *word) takeNext(args []string, force bool) {
	next := w.index + 1
	if w.hasValue || next >= len(args) || (strings.HasPrefix(args[next], "-") && !force) {
		return
	}
	w.value, w.hasValue, w.spaced = args[next], true, true
	w.entries = 2
}

// flag returns the name with its dashes.
func (w word) flag() string {
	switch {
	case w.junk != "":
		return ""
	case w.short:
		return "-" + w.name
	}
	return "--" + w.name
}

// raw returns the word as written, with the value hidden on demand.
func (w word) raw(hide bool) string {
	value := w.value
	if hide {
		value = redacted
	}
	switch {
	case w.junk != "":
		return redacted
	case !w.hasValue:
		return w.flag()
	case w.spaced:
		return w.flag() + " " + value
	case w.short:
		return w.flag() + value
	}
	return w.flag() + "=" + value
}

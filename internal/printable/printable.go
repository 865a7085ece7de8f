// Package printable makes text safe to show to people. What the program prints
// holds names and messages that others chose: whoever can write to a volume names
// the files that a backup complains about. A terminal would act upon the control
// characters in them, and a runner of pipelines upon its commands.
//
// It is for text for people alone: JSON and YAML escape by themselves, and whoever
// reads them must get the name as it is.
package printable

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is s as a terminal and a runner may be given it. Its lines stay lines, and
// its tabs tabs; what else is not graphic is escaped as Go escapes it, as \x1b or
// \u202e.
func Text(s string) string { return disarm(escape(s, "\n\t")) }

// Line is Text of one line: a line break in it is shown as \n. It is for names, and
// for messages that embed one, where a line of their own would pass for the
// program's.
func Line(s string) string { return disarm(escape(s, "\t")) }

// Row is a line of a table whose cells end with tabs, which a cell cannot hold.
func Row(cells ...string) string {
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = escape(cell, "")
	}
	return disarm(strings.Join(safe, "\t"))
}

// escape shows what is neither graphic nor kept as an escape sequence, and bytes that
// are not UTF-8 too: some terminals take them for control characters of eight bits.
func escape(s, keep string) string {
	plain := func(r rune) bool { return strconv.IsGraphic(r) || strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case plain(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return out.String()
}

// What runners take for a command: GitHub's, at the start of a line but for blanks
// (::error::...), and anywhere in it the older form, which Azure's and TeamCity's have
// too (##[error]..., ##vso[...], ##teamcity[...]).
var (
	lineCommand = regexp.MustCompile(`(?m)^([\s\p{Z}]*):(:.*::)`)
	textCommand = regexp.MustCompile(`#(#\w*\[)`)
)

// disarm escapes the first character of each runner's command.
func disarm(s string) string {
	if strings.Contains(s, "::") {
		s = lineCommand.ReplaceAllString(s, `$1\x3a$2`)
	}
	if strings.Contains(s, "##") {
		s = textCommand.ReplaceAllString(s, `\x23$1`)
	}
	return s
}

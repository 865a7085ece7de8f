package validate

import (
	"slices"
	"strings"
)

// shellReader finds the programs that a shell script starts: the first word of
// each simple command. It is a reader of shells for people's short scripts, not
// a shell: where it is not sure, it finds nothing.
type shellReader struct {
	text []rune
	at   int
	// words of the simple command being read.
	words []shellWord
	// found are the programs in order of appearance, each once.
	found []program
	seen  map[string]bool
	// heredocs are the ends of the here-documents that start at the next line.
	heredocs []string
	// parens counts open subshells.
	parens int
	// cases counts open case commands; pattern is true where one of their
	// patterns stands, up to its closing parenthesis.
	cases   int
	pattern bool
	// backquoted is true directly inside `commands`, where a backquote ends them.
	backquoted bool
	// depth counts command substitutions.
	depth int
}

// Limits that bound the time and the number of findings for generated scripts.
const (
	maxNesting  = 50
	maxPrograms = 100
)

// program is a program's name and its place in the script.
type program struct {
	name         string
	line, column int
}

type shellWord struct {
	text string
	// exact is false when quoting or an expansion makes the word's value
	// something else than its text.
	exact bool
	start int
}

// programsOf returns the programs that a script starts, in order.
func programsOf(script string) []program {
	r := &shellReader{text: []rune(script), seen: map[string]bool{}}
	r.script(0)
	defined := r.functions()
	out := r.found[:0]
	for _, p := range r.found {
		if !defined[p.name] {
			out = append(out, p)
		}
	}
	return out
}

// functions are names that the script defines itself: name() and function name.
func (r *shellReader) functions() map[string]bool {
	defined := map[string]bool{}
	for line := range strings.SplitSeq(string(r.text), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "function "); ok {
			line = strings.TrimSpace(name)
			if i := strings.IndexAny(line, " ({"); i > 0 {
				line = line[:i]
			}
			defined[line] = true
			continue
		}
		if i := strings.Index(line, "()"); i > 0 && isName(strings.TrimSpace(line[:i])) {
			defined[strings.TrimSpace(line[:i])] = true
		}
	}
	return defined
}

// script reads commands up to the closing rune, 0 for the end of the text.
func (r *shellReader) script(closing rune) {
	outer := r.words
	r.words = nil
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case closing != 0 && c == closing && (closing != ')' || r.parens == 0):
			r.at++
			r.endCommand()
			r.words = outer
			return
		case r.pattern && strings.ContainsRune("|()\n", c):
			r.at++
			r.words = nil
			r.pattern = c != ')'
		case c == '\n':
			r.at++
			r.endCommand()
			r.skipHeredocs()
		case c == ';' && r.cases > 0 && r.at+1 < len(r.text) && r.text[r.at+1] == ';':
			r.at += 2
			r.endCommand()
			r.pattern = true
		case strings.ContainsRune(";&|", c):
			r.at++
			r.endCommand()
		case c == '(':
			r.at++
			r.parens++
			r.endCommand()
		case c == ')':
			r.at++
			r.parens = max(r.parens-1, 0)
			r.endCommand()
		case c == ' ' || c == '\t' || c == '\r':
			r.at++
		case c == '#':
			r.skipLine()
		case c == '<' || c == '>':
			r.redirect()
		default:
			r.word()
		}
	}
	r.endCommand()
	r.words = outer
}

func (r *shellReader) skipLine() {
	for r.at < len(r.text) && r.text[r.at] != '\n' {
		r.at++
	}
}

// word reads one word with its quotes and expansions.
func (r *shellReader) word() {
	w := shellWord{exact: true, start: r.at}
	var b strings.Builder
	for r.at < len(r.text) && !r.endsWord(r.text[r.at]) {
		switch c := r.text[r.at]; c {
		case '\'':
			r.at++
			for r.at < len(r.text) && r.text[r.at] != '\'' {
				b.WriteRune(r.text[r.at])
				r.at++
			}
			r.at++
		case '"':
			r.at++
			w.exact = r.doubleQuoted(&b) && w.exact
		case '\\':
			r.escape(&b)
		case '$', '`':
			w.exact = false
			r.expansion()
		default:
			b.WriteRune(c)
			r.at++
		}
	}
	w.text = b.String()
	r.words = append(r.words, w)
	r.caseWord()
}

func (r *shellReader) endsWord(c rune) bool {
	return strings.ContainsRune(" \t\r\n;&|()<>", c) || c == '`' && r.backquoted
}

// caseWord follows case and esac, between which patterns stand.
func (r *shellReader) caseWord() {
	switch words := r.words; {
	case len(words) == 3 && words[0].text == "case" && words[2].text == "in":
		r.cases++
		r.words, r.pattern = nil, true
	case len(words) == 1 && words[0].text == "esac" && r.cases > 0:
		r.cases--
		r.words, r.pattern = nil, false
	}
}

func (r *shellReader) escape(b *strings.Builder) {
	if r.at+1 < len(r.text) && r.text[r.at+1] != '\n' {
		b.WriteRune(r.text[r.at+1])
	}
	r.at += 2
}

// doubleQuoted reads to the closing quote and reports whether the text is what
// it looks like.
func (r *shellReader) doubleQuoted(b *strings.Builder) bool {
	exact := true
	for r.at < len(r.text) && r.text[r.at] != '"' {
		switch c := r.text[r.at]; c {
		case '\\':
			r.escape(b)
		case '$', '`':
			exact = false
			r.expansion()
		default:
			b.WriteRune(c)
			r.at++
		}
	}
	r.at++
	return exact
}

// expansion reads $name, ${...}, $((...)), $(commands) or `commands`.
func (r *shellReader) expansion() {
	rest := string(r.text[r.at:min(r.at+3, len(r.text))])
	switch {
	case rest[0] == '`':
		r.at++
		r.nested('`')
	case strings.HasPrefix(rest, "$(("):
		r.skipTo("))")
	case strings.HasPrefix(rest, "$("):
		r.at += 2
		r.nested(')')
	case strings.HasPrefix(rest, "${"):
		r.skipTo("}")
	default:
		r.at++
	}
}

// nested reads a command substitution as a script of its own.
func (r *shellReader) nested(closing rune) {
	if r.depth == maxNesting {
		r.at = len(r.text)
		return
	}
	parens, backquoted := r.parens, r.backquoted
	r.parens, r.backquoted = 0, closing == '`'
	r.depth++
	r.script(closing)
	r.depth--
	r.parens, r.backquoted = parens, backquoted
}

func (r *shellReader) skipTo(end string) {
	last := []rune(end)
	for r.at < len(r.text) && !slices.Equal(r.text[r.at:min(r.at+len(last), len(r.text))], last) {
		r.at++
	}
	r.at = min(r.at+len(last), len(r.text))
}

package spec

import "bytes"

// chunk is the text of one YAML document and the number of lines before it.
type chunk struct {
	text []byte
	line int
	// starts are the offsets of the lines, see lineAt; objects of a List share them.
	starts *[]int
}

// lineAt returns a line of the text, counted from 1, with its line break.
func (c chunk) lineAt(number int) (line []byte, ok bool) {
	if len(*c.starts) == 0 {
		*c.starts = lineStarts(c.text)
	}
	starts := *c.starts
	if number < 1 || number >= len(starts) {
		return nil, false
	}
	return c.text[starts[number-1]:starts[number]], true
}

// lineStarts returns where each line begins, and the end of the text.
func lineStarts(text []byte) []int {
	var starts []int
	at := 0
	for line := range bytes.Lines(text) {
		starts = append(starts, at)
		at += len(line)
	}
	return append(starts, at)
}

// split cuts a YAML stream at its document markers, so that a syntax error in
// one document does not hide the others. A marker at the start of a line is one
// anywhere in YAML, also inside a block scalar. Documents without content are
// left out.
func split(data []byte) []chunk {
	var out []chunk
	s := splitter{data: data}
	for s.next < len(data) {
		line := s.advance()
		switch {
		case marker(line, "---"):
			// Directives belong to the document that follows them.
			if s.content || !s.directive {
				out = s.cut(out, s.lineStart)
			}
			s.content = s.content || substance(line[3:])
		case marker(line, "..."):
			out = s.cut(out, s.next)
		case bytes.HasPrefix(line, []byte("%")) && !s.content:
			s.directive = true
		default:
			s.content = s.content || substance(line)
		}
	}
	return s.cut(out, len(data))
}

type splitter struct {
	data               []byte
	start, startLine   int
	lineStart, next    int
	line               int
	content, directive bool
}

func (s *splitter) advance() []byte {
	s.lineStart = s.next
	s.line++
	if i := bytes.IndexByte(s.data[s.next:], '\n'); i >= 0 {
		s.next += i + 1
	} else {
		s.next = len(s.data)
	}
	return s.data[s.lineStart:s.next]
}

// cut ends the running document at the offset end, which starts or ends the
// current line.
func (s *splitter) cut(out []chunk, end int) []chunk {
	if s.content {
		out = append(out, chunk{text: s.data[s.start:end], line: s.startLine, starts: new([]int)})
	}
	s.start, s.startLine = end, s.line
	if end == s.lineStart {
		s.startLine = s.line - 1
	}
	s.content, s.directive = false, false
	return out
}

func marker(line []byte, word string) bool {
	if !bytes.HasPrefix(line, []byte(word)) {
		return false
	}
	return len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0
}

func substance(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] != '#'
}

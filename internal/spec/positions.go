package spec

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// positions finds fields in the text of a document.
type positions struct {
	file string
	chunk
	root *yaml.Node
}

func (p *positions) of(n *yaml.Node) problem.Position {
	if n == nil || n.Line == 0 {
		return problem.Position{File: p.file, Line: p.line + 1, Column: 1}
	}
	return problem.Position{File: p.file, Line: p.line + n.Line, Column: n.Column}
}

// Position returns where the field stands: a scalar's own position, the key of
// an object or a list, and the nearest existing ancestor of a field that is
// absent. The path is written as problems write it: spec.kopia.additionalArgs[1]
// or data["global-policy.json"]; "" is the document.
func (d *Document) Position(path string) problem.Position {
	if d.positions == nil {
		return d.At
	}
	key, value := d.positions.walk(path)
	return d.positions.of(anchorOf(key, value))
}

// PositionIn returns the position in the file of a character inside the scalar
// at path, for text such as a JSON policy in a literal block. Line and col start
// at 1 and count within the scalar's value. Only a literal block ("|") keeps its
// lines; any other style, or a place outside the value, gives Position(path).
func (d *Document) PositionIn(path string, line, col int) problem.Position {
	if d.positions == nil {
		return d.At
	}
	_, value := d.positions.walk(path)
	if at, ok := d.positions.inLiteral(follow(value), line, col); ok {
		return at
	}
	return d.Position(path)
}

// DataPath returns the path of a key of a Secret or ConfigMap: data["key"],
// stringData["key"] or binaryData["key"], as the document has it; "data" when it
// is absent.
func (d *Document) DataPath(key string) string {
	if d.positions == nil {
		return "data"
	}
	for _, field := range []string{"stringData", "data", "binaryData"} {
		_, object := lookup(d.positions.root, field)
		if k, _ := lookup(object, key); k != nil {
			return field + "[" + strconv.Quote(key) + "]"
		}
	}
	return "data"
}

// anchorOf chooses the node that a reader should be sent to.
func anchorOf(key, value *yaml.Node) *yaml.Node {
	if value == nil || key != nil && (value.Kind == yaml.MappingNode || value.Kind == yaml.SequenceNode || isNull(value)) {
		return key
	}
	return value
}

// walk returns the key and value nodes of the longest part of path that exists.
func (p *positions) walk(path string) (key, value *yaml.Node) {
	value = p.root
	for path != "" {
		var k, v *yaml.Node
		var name string
		var index int
		name, index, path = nextSegment(path)
		if name != "" {
			k, v = lookup(value, name)
		} else if list := follow(value); list.Kind == yaml.SequenceNode && index < len(list.Content) {
			v = list.Content[index]
		}
		if v == nil {
			return key, value
		}
		key, value = k, v
	}
	return key, value
}

// nextSegment cuts the first field name or list index off a path. A malformed
// rest counts as a name that does not exist.
func nextSegment(path string) (name string, index int, rest string) {
	path = strings.TrimPrefix(path, ".")
	if quoted, ok := strings.CutPrefix(path, "["); ok {
		if q, err := strconv.QuotedPrefix(quoted); err == nil {
			name, _ = strconv.Unquote(q)
			return name, 0, strings.TrimPrefix(quoted[len(q):], "]")
		}
		number, rest, _ := strings.Cut(quoted, "]")
		if i, err := strconv.Atoi(number); err == nil && i >= 0 {
			return "", i, rest
		}
		return path, 0, ""
	}
	if end := strings.IndexAny(path, ".["); end > 0 {
		return path[:end], 0, path[end:]
	}
	return path, 0, ""
}

// inLiteral maps a place in a literal block's value to the file. The value's
// lines follow the block's header one by one, each behind the same indentation;
// a line that does not end as the value's does was changed by substitution.
func (p *positions) inLiteral(n *yaml.Node, line, col int) (problem.Position, bool) {
	if n == nil || n.Kind != yaml.ScalarNode || n.Style&yaml.LiteralStyle == 0 || line < 1 || col < 1 {
		return problem.Position{}, false
	}
	lines := strings.Split(n.Value, "\n")
	if line > len(lines) {
		return problem.Position{}, false
	}
	if lines[line-1] == "" && line > 1 && line == len(lines) {
		// The end of the text, after its last line break: what stands there in
		// the file is no longer the block.
		line--
		col = utf8.RuneCountInString(lines[line-1]) + 1
	}
	want := lines[line-1]
	raw, ok := p.rawLine(n.Line + line)
	if !ok || !strings.HasSuffix(raw, want) || col > utf8.RuneCountInString(want)+1 {
		return problem.Position{}, false
	}
	indent := utf8.RuneCountInString(strings.TrimSuffix(raw, want))
	return problem.Position{File: p.file, Line: p.line + n.Line + line, Column: indent + col}, true
}

// rawLine returns a line of the document's text, counted from 1, without its
// line break.
func (p *positions) rawLine(number int) (string, bool) {
	line, ok := p.lineAt(number)
	return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), ok
}

// find returns the place of a piece of text in the lines that the scalar may
// stand on, as line and column of the file.
func (p *positions) find(n *yaml.Node, piece string) (line, column int, ok bool) {
	// Lines of a quoted scalar are joined by blanks; one more is a block's header.
	last := n.Line + 1 + strings.Count(n.Value, "\n") + strings.Count(n.Value, " ")
	from := n.Column - 1
	for number := n.Line; number <= last; number++ {
		raw, there := p.lineAt(number)
		if !there {
			break
		}
		at := byteOffset(raw, from)
		if i := bytes.Index(raw[at:], []byte(piece)); i >= 0 {
			return p.line + number, utf8.RuneCount(raw[:at+i]) + 1, true
		}
		from = 0
	}
	return 0, 0, false
}

// byteOffset returns where the character of that index begins.
func byteOffset(line []byte, index int) int {
	at := 0
	for ; index > 0 && at < len(line); index-- {
		_, size := utf8.DecodeRune(line[at:])
		at += size
	}
	return at
}

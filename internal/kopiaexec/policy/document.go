package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// MaxSize is the largest policy document that is read, in bytes; the
// documentation page promises this limit for each file.
const MaxSize = 1 << 20

// maxDepth bounds the nesting of a document. Nothing that kopia knows is
// deeper than six.
const maxDepth = 100

// Document is one JSON object with the place of each of its parts.
type Document struct {
	name      string
	raw       []byte
	root      Object
	positions map[string]place
}

// Name returns the name that the document was parsed under: a file name as
// global-policy.json, or the field or key that holds the text.
func (d *Document) Name() string { return d.name }

// Position returns the line and column, both from 1 and counted in
// characters, of what the JSON pointer names: the key for a member of an
// object, the value for an element of a list. An unknown pointer gives the
// place of its nearest known ancestor.
func (d *Document) Position(pointer string) (line, column int) {
	for {
		if p, ok := d.positions[pointer]; ok {
			return p.line, p.column
		}
		cut := strings.LastIndexByte(pointer, '/')
		if cut < 0 {
			return 0, 0
		}
		pointer = pointer[:cut]
	}
}

// SyntaxError says why a text is not one JSON object. It never quotes the
// text but for the name of a key, because the text may come from a Secret.
type SyntaxError struct {
	Name string
	// Line and Column start at 1 and count characters.
	Line, Column int
	Message      string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("Invalid JSON in %s, line %d column %d: %s", e.Name, e.Line, e.Column, e.Message)
}

// Note returns the error as a note, for those that collect notes.
func (e *SyntaxError) Note() Note {
	return Note{
		Code: codeSyntax, Severity: problem.Error, File: e.Name, Line: e.Line, Column: e.Column,
		Message: "Invalid JSON: " + e.Message,
		Fix:     "correct the text; `jq . FILE` shows whether it is JSON",
	}
}

// ParseDocument reads one JSON object strictly: UTF-8 without a byte order
// mark, no comments, no trailing comma, no key twice, nothing after the
// object, at most MaxSize bytes. The name appears in messages only.
func ParseDocument(name string, data []byte) (*Document, *SyntaxError) {
	fail := func(offset int, format string, args ...any) *SyntaxError {
		p := placeAt(data, offset)
		return &SyntaxError{Name: name, Line: p.line, Column: p.column, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(data) > MaxSize:
		return nil, &SyntaxError{
			Name: name, Line: 1, Column: 1,
			Message: fmt.Sprintf("the text has %d bytes, and a policy file may have 1 MiB (%d) at most; shorten it", len(data), MaxSize),
		}
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return nil, fail(0, "the text starts with a byte order mark; save it as UTF-8 without one")
	case !utf8.Valid(data):
		return nil, fail(firstInvalid(data), "the text is not UTF-8")
	}
	r := reader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), offsets: map[string]int{}}
	r.decoder.UseNumber()
	root, err := r.document()
	if err != nil {
		return nil, fail(err.offset, "%s", err.message)
	}
	return &Document{name: name, raw: data, root: root, positions: placesAt(data, r.offsets)}, nil
}

func firstInvalid(data []byte) int {
	offset := 0
	for offset < len(data) {
		r, size := utf8.DecodeRune(data[offset:])
		if r == utf8.RuneError && size == 1 {
			return offset
		}
		offset += size
	}
	return offset
}

// reader walks the tokens of a document and keeps the offset of each part.
// The standard decoder alone knows neither positions nor repeated keys.
type reader struct {
	data    []byte
	decoder *json.Decoder
	offsets map[string]int
}

type readError struct {
	offset  int
	message string
}

func (r *reader) document() (Object, *readError) {
	if len(bytes.TrimSpace(r.data)) == 0 {
		return nil, &readError{0, "the text is empty; write {} for no settings"}
	}
	start := r.next()
	value, err := r.value("", 0)
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, &readError{start, "the text is " + describe(value) + ", not an object"}
	}
	end := int(r.decoder.InputOffset())
	if rest := bytes.TrimLeft(r.data[end:], " \t\r\n"); len(rest) > 0 {
		return nil, &readError{len(r.data) - len(rest), "there is more text after the end of the object"}
	}
	return root, nil
}

// next returns the offset of the next token, over white space and the comma
// or colon in front of it.
func (r *reader) next() int {
	i := int(r.decoder.InputOffset())
	for i < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[i]) >= 0 {
		i++
	}
	return i
}

func (r *reader) value(pointer string, depth int) (any, *readError) {
	if depth > maxDepth {
		return nil, &readError{r.next(), "the text is nested too deeply"}
	}
	if _, seen := r.offsets[pointer]; !seen {
		r.offsets[pointer] = r.next()
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return r.object(pointer, depth)
	case json.Delim('['):
		return r.list(pointer, depth)
	}
	return token, nil
}

func (r *reader) object(pointer string, depth int) (any, *readError) {
	members := map[string]any{}
	for r.decoder.More() {
		offset := r.next()
		token, err := r.token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, &readError{offset, "a key must be in double quotes"}
		}
		if _, twice := members[key]; twice {
			return nil, &readError{offset, fmt.Sprintf("the key %q stands here twice", clip(key))}
		}
		child := join(pointer, key)
		if _, seen := r.offsets[child]; !seen {
			r.offsets[child] = offset
		}
		if members[key], err = r.value(child, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := r.token()
	return members, err
}

func (r *reader) list(pointer string, depth int) (any, *readError) {
	items := []any{}
	for r.decoder.More() {
		item, err := r.value(join(pointer, strconv.Itoa(len(items))), depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := r.token()
	return items, err
}

func (r *reader) token() (json.Token, *readError) {
	token, err := r.decoder.Token()
	if err == nil {
		return token, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &readError{len(r.data), "the text ends too early; a quote or a bracket is not closed"}
	}
	// The decoder may stop at a place further on; the standard scanner names
	// the first wrong byte.
	offset := r.next()
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(r.data, new(any)), &syntax) && syntax.Offset > 0 {
		offset = int(syntax.Offset) - 1
	}
	return nil, &readError{offset, explain(r.data, offset)}
}

// explain says in words what is wrong at the offset, without quoting content.
func explain(data []byte, offset int) string {
	before := bytes.TrimRight(data[:min(offset, len(data))], " \t\r\n")
	var found, last byte
	if offset < len(data) {
		found = data[offset]
	}
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	switch {
	case offset >= len(data):
		return "the text ends too early; a quote or a bracket is not closed"
	case last == ',' && (found == '}' || found == ']'):
		return fmt.Sprintf("a comma before %q is not allowed; remove it", found)
	case found == '/' || found == '#':
		return "JSON has no comments; remove it"
	case found == '\'':
		return "texts and keys are in double quotes"
	case last == '{' || last == ',' && found != '"':
		return "a key in double quotes, or a value, is expected here"
	case found == '"' || found == '{' || found == '[':
		return "a comma or a colon is missing before this"
	case found < ' ':
		return "a line break or control character inside a text is written \\n or \\u00XX"
	default:
		return "this is neither a value nor the end of one"
	}
}

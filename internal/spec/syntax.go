package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// syntaxError is what the YAML parser objected to, in words that never hold
// any of the text.
type syntaxError struct {
	line    int // within the chunk, from 1
	message string
	fix     string
}

func (e *syntaxError) Error() string { return e.message }

var errMoreContent = errors.New("did not find expected <document start>")

// parseYAML returns the node tree of one document; nil for an empty one.
func parseYAML(text []byte) (root *yaml.Node, failure *syntaxError) {
	defer func() {
		// The parser is known to panic on some malformed texts.
		if recover() != nil {
			root, failure = nil, &syntaxError{line: 1, message: notYAML}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, rest yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil {
		// Text behind the document shows only when the next one is asked for.
		if err = decoder.Decode(&rest); err == nil {
			err = errMoreContent
		}
	}
	if errors.Is(err, io.EOF) {
		return document.Content[0], nil
	}
	return nil, explain(err, text)
}

const notYAML = "this is not YAML"

const unknownAnchor = "unknown anchor '"

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// explain turns an error of the YAML parser into a syntaxError. Such an error
// can quote the text, so only messages known to be fixed words are passed on.
func explain(err error, text []byte) *syntaxError {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &syntaxError{line: 1, message: notYAML}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		e.line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	if parserMessage(message) && e.line > 1 {
		// The parser, unlike the scanner, counts these lines from 0.
		e.line++
	}
	// What is missing at the end is missed behind it.
	e.line = min(e.line, max(1, len(bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n")))))
	if rest, ok := strings.CutPrefix(message, unknownAnchor); ok {
		name, _, _ := strings.Cut(rest, "'")
		e.line = 1 + bytes.Count(text[:max(0, bytes.Index(text, []byte("*"+name)))], []byte("\n"))
	}
	if tab := tabIndented(text, e.line); tab > 0 && mayBeTab(message) {
		return &syntaxError{line: tab, message: notYAML + ": a tab indents this line", fix: "indent with spaces"}
	}
	for _, k := range knownMessages() {
		if strings.HasPrefix(message, k.prefix) {
			e.message = fmt.Sprintf("%s: %s", notYAML, k.meaning)
			e.fix = k.fix
			return e
		}
	}
	return e
}

func parserMessage(message string) bool {
	return hasPrefix(message,
		"did not find expected key", "did not find expected '-'", "did not find expected node content",
		"did not find expected ','", "did not find expected <document start>")
}

// tabIndented returns the first line, around the reported one, that a tab
// indents; 0 for none.
func tabIndented(text []byte, around int) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if number < around-1 || number > around+1 {
			continue
		}
		if bytes.Contains(line[:len(line)-len(bytes.TrimLeft(line, " \t"))], []byte("\t")) {
			return number
		}
	}
	return 0
}

func mayBeTab(message string) bool {
	return hasPrefix(message,
		"found character that cannot start any token", "found a tab character",
		"did not find expected key", "did not find expected '-' indicator", "could not find expected ':'")
}

func hasPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

type knownMessage struct{ prefix, meaning, fix string }

func knownMessages() []knownMessage {
	const indentation = "check the indentation of this line and of the one before it"
	return []knownMessage{
		{"mapping values are not allowed in this context", "a \": \" stands where no field can begin", "quote a value that holds \": \", or " + indentation},
		{"did not find expected key", "the indentation does not fit the lines before it, or a quote is not closed", indentation},
		{"did not find expected '-' indicator", "a list item was expected here", indentation},
		{"block sequence entries are not allowed in this context", "a \"- \" stands where no list can begin", indentation},
		{"did not find expected ',' or", "a comma or the closing bracket is missing", "close the bracket or add the comma"},
		{"did not find expected node content", "a value is missing", "add the value or remove what precedes it"},
		{"could not find expected ':'", "a field without \":\"", "write the field as name: value"},
		{"found unexpected end of stream", "a quote is not closed", "close the quote"},
		{"found unexpected document indicator", "a quote is not closed before the end of the document", "close the quote"},
		{"found character that cannot start any token", "a character that no value can begin with", "put the value in quotes"},
		{"found unknown escape character", "an unknown escape in a double-quoted value", "write \\\\ for a backslash, or use single quotes"},
		{unknownAnchor, "an alias without an anchor of that name", "quote a value that begins with \"*\""},
		{"did not find expected <document start>", "text after the end of the document", "separate documents by a line ---"},
		{"did not find expected alphabetic or numeric character", "an anchor or alias without a name", "quote a value that begins with \"&\" or \"*\""},
		{"control characters are not allowed", "a control character", "remove it"},
		{"found undefined tag handle", "an undefined tag", "quote a value that begins with \"!\""},
		{"found incompatible YAML document", "a %YAML directive of another version than 1.1", "remove the line %YAML"},
		{"exceeded max depth", "too many levels", ""},
	}
}

package policy

import (
	"strings"
	"testing"
)

func TestParseDocumentNamesTheFaultAndItsPlace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text         string
		line, column int
		message      string
	}{
		"a comma before a brace":            {"{\n  \"a\": 1,\n}", 3, 1, `a comma before '}' is not allowed`},
		"a comma before a bracket":          {`{"a": [1, 2,]}`, 1, 13, `a comma before ']' is not allowed`},
		"a key twice":                       {"{\"a\": {\"b\": 1,\n \"b\": 2}}", 2, 2, `the key "b" stands here twice`},
		"an escaped key twice":              {`{"a": 1, "\u0061": 2}`, 1, 10, `the key "a" stands here twice`},
		"text after the end":                {"{}\n {}", 2, 2, "more text after the end"},
		"a comma after the end":             {"{},", 1, 3, "more text after the end"},
		"a list":                            {" []", 1, 2, "a list, not an object"},
		"null":                              {"null", 1, 1, "null, not an object"},
		"nothing":                           {" \n", 1, 1, "empty"},
		"no end":                            {"{\"a\": 1", 1, 8, "ends too early"},
		"no end of a text":                  {"{\"a", 1, 4, "ends too early"},
		"words, as the documentation has":   {"{invalid json here}", 1, 2, "a key in double quotes"},
		"single quotes":                     {"{'a': 1}", 1, 2, "double quotes"},
		"a comment":                         {"{\n// no\n}", 2, 1, "no comments"},
		"no comma":                          {`{"a": 1 "b": 2}`, 1, 9, "a comma or a colon is missing"},
		"a line break in a text":            {"{\"ä\": \"a\nb\"}", 1, 9, "line break"},
		"not UTF-8":                         {"{\"a\": \"\xff\"}", 1, 8, "not UTF-8"},
		"a byte order mark":                 {"\xef\xbb\xbf{}", 1, 1, "byte order mark"},
		"too large":                         {"{\"a\": \"" + strings.Repeat("x", MaxSize) + "\"}", 1, 1, "1 MiB"},
		"nested too deeply":                 {strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), 1, 506, "nested too deeply"},
		"characters are counted, not bytes": {`{"äöü": tru}`, 1, 12, "neither a value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseDocument("p.json", []byte(tc.text))
			if err == nil {
				t.Fatal("no error")
			}
			if err.Line != tc.line || err.Column != tc.column || !strings.Contains(err.Message, tc.message) {
				t.Errorf("got %d:%d %q, want %d:%d %q", err.Line, err.Column, err.Message, tc.line, tc.column, tc.message)
			}
			if !strings.HasPrefix(err.Error(), "Invalid JSON in p.json, line ") {
				t.Errorf("the text is %q", err.Error())
			}
			if n := err.Note(); n.Code != "VK301" || n.Line != tc.line || !strings.HasPrefix(n.Message, "Invalid JSON: ") {
				t.Errorf("the note is %+v", n)
			}
		})
	}
}

func TestSyntaxErrorsShowNothingOfTheText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a": canary}`, `{"a": "canary}`, `{"a": 1} canary`, `{"a": "x" "canary"}`, `["canary"]`, `{canary: 1}`} {
		_, err := ParseDocument("p.json", []byte(text))
		if err == nil {
			t.Fatalf("%s: no error", text)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %s", text, err)
		}
	}
}

func TestPositionsPointAtKeysAndElements(t *testing.T) {
	t.Parallel()
	doc := parse(t, "p.json", "{\n  \"a/b\": {\"~\": 1},\n  \"l\": [1,\n    \"ä\", 2]\n}")
	for pointer, want := range map[string]place{
		"": {1, 1}, "/a~1b": {2, 3}, "/a~1b/~0": {2, 11}, "/l": {3, 3}, "/l/0": {3, 9}, "/l/1": {4, 5}, "/l/2": {4, 10},
		"/l/9": {3, 3}, "/none/deep": {1, 1},
	} {
		line, column := doc.Position(pointer)
		if (place{line, column}) != want {
			t.Errorf("%q: %d:%d, want %v", pointer, line, column, want)
		}
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	doc := parse(t, "p.json", `{"n": 1234567890123456789012}`)
	if got := text(doc.root["n"]); got != "1234567890123456789012" {
		t.Error(got)
	}
}

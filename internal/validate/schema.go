package validate

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

//go:embed schema/*.json
var schemaFiles embed.FS

// schemaBase is the prefix of every schema's $id. Nothing is fetched from it.
const schemaBase = "https://github.com/volsync-kopia/kubectl-volsync-kopia/schemas/"

// The schemas, by file name.
const (
	replicationSourceSchema      = "replicationsource.json"
	replicationDestinationSchema = "replicationdestination.json"
	kopiaMaintenanceSchema       = "kopiamaintenance.json"
	commonSchema                 = "common.json"
	globalPolicySchema           = "global-policy.json"
	repositoryConfigSchema       = "repository-config.json"
	structuredConfigSchema       = "structured-repository-config.json"
)

// schemas compiles the embedded schemas, each when it is first asked for: most
// inputs need one or two of them.
type schemas struct {
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	// decoded holds files as JSON, for the words that stand beside the rules.
	decoded map[string]any
}

func newSchemas() *schemas {
	s := &schemas{
		compiler: jsonschema.NewCompiler(),
		compiled: map[string]*jsonschema.Schema{},
		decoded:  map[string]any{},
	}
	s.compiler.LoadURL = func(url string) (io.ReadCloser, error) {
		name, ok := strings.CutPrefix(url, schemaBase)
		if !ok {
			return nil, fmt.Errorf("schema %s is not embedded", url)
		}
		return schemaFiles.Open("schema/" + name)
	}
	return s
}

// raw returns a schema file as JSON, or nil if there is none.
func (s *schemas) raw(name string) any {
	if value, ok := s.decoded[name]; ok {
		return value
	}
	var value any
	data, err := schemaFiles.ReadFile("schema/" + name)
	if err == nil {
		err = json.Unmarshal(data, &value)
	}
	if err != nil {
		return nil // check reports it: the file does not compile either
	}
	s.decoded[name] = value
	return value
}

// violation is one rule that a value breaks.
type violation struct {
	// pointer is the JSON pointer of the value, or for a missing property of
	// the object that lacks it.
	pointer string
	// keyword is the schema keyword, as "minimum"; node the schema it stands in.
	keyword string
	node    map[string]any
	// value is the broken value as text, for fields that hold no secret.
	value string
}

// check returns every rule of the schema that the JSON value breaks, the value
// being decoded with json.Number. The order is not defined.
func (s *schemas) check(name string, value any) ([]violation, error) {
	compiled := s.compiled[name]
	if compiled == nil {
		var err error
		if compiled, err = s.compiler.Compile(schemaBase + name); err != nil {
			return nil, err
		}
		s.compiled[name] = compiled
	}
	err := compiled.Validate(value)
	var broken *jsonschema.ValidationError
	if err == nil || !errors.As(err, &broken) {
		return nil, err
	}
	return s.violations(broken, value, nil), nil
}

// violations walks down to the rules that have words, or to the leaves.
func (s *schemas) violations(e *jsonschema.ValidationError, root any, into []violation) []violation {
	keyword, node := s.rule(e.AbsoluteKeywordLocation)
	worded := words(node, keyword) != nil
	if !worded && len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			into = s.violations(cause, root, into)
		}
		return into
	}
	return append(into, violation{
		pointer: e.InstanceLocation, keyword: keyword, node: node, value: textAt(root, e.InstanceLocation),
	})
}

// rule finds the schema that holds a keyword from the keyword's location.
func (s *schemas) rule(location string) (keyword string, node map[string]any) {
	file, pointer, _ := strings.Cut(strings.TrimPrefix(location, schemaBase), "#")
	at := strings.LastIndexByte(pointer, '/')
	if at < 0 {
		return "", nil
	}
	node, _ = valueAt(s.raw(file), pointer[:at]).(map[string]any)
	return pointer[at+1:], node
}

// required are the properties that a schema wants; those of ours want one each.
func (v violation) required() []string {
	all, _ := v.node["required"].([]any)
	names := make([]string, 0, len(all))
	for _, name := range all {
		names = append(names, fmt.Sprint(name))
	}
	return names
}

// words returns what the schema says about the breaking of its keyword, or nil.
func words(node map[string]any, keyword string) map[string]any {
	all, _ := node["x-problems"].(map[string]any)
	w, _ := all[keyword].(map[string]any)
	return w
}

// problem puts a violation into words: the schema's own, or else what the
// schema expects there. The value is named only by the schema's own words.
func (v violation) problem() problem.Problem {
	if w := words(v.node, v.keyword); w != nil {
		text := func(key string) string {
			s, _ := w[key].(string)
			return strings.ReplaceAll(s, "{value}", v.value)
		}
		return problem.Problem{Code: text("code"), Message: text("message"), Fix: text("fix")}
	}
	return problem.Problem{
		Code:    "VK190",
		Message: "the value must be " + expectation(v.node, v.keyword),
		Fix:     "correct the value or remove the field",
	}
}

// expectation says in plain words what a schema accepts.
func expectation(node map[string]any, keyword string) string {
	if keyword == "required" {
		return "an object with " + list(node["required"])
	}
	if enum, ok := node["enum"]; ok {
		return "one of " + list(enum)
	}
	kinds := map[string]string{
		"integer": "a whole number", "boolean": "true or false", "string": "text",
		"array": "a list", "object": "an object", "number": "a number", "null": "null",
	}
	names, ok := node["type"].([]any)
	if !ok {
		names = []any{node["type"]}
	}
	var parts []string
	for _, n := range names {
		name, _ := n.(string)
		parts = append(parts, kinds[name])
	}
	text := strings.Join(parts, " or ")
	if low, ok := node["minimum"]; ok {
		text += fmt.Sprintf(" of at least %v", low)
	}
	if high, ok := node["maximum"]; ok {
		text += fmt.Sprintf(" and at most %v", high)
	}
	return text
}

func list(values any) string {
	var parts []string
	all, _ := values.([]any)
	for _, v := range all {
		parts = append(parts, fmt.Sprint(v))
	}
	return strings.Join(parts, ", ")
}

// schema reports what the document's schema says about it. The typed object is
// judged, not the text: unknown fields and wrong types are known already.
func (c *check) schema(name string, object any) {
	value, err := plain(object)
	if err != nil {
		c.fail("VK190", "", "the object cannot be encoded: "+err.Error(), "")
		return
	}
	broken, err := c.v.schemas.check(name, value)
	if err != nil {
		c.fail("VK190", "", "the object cannot be judged: "+err.Error(), "")
		return
	}
	for _, v := range broken {
		p := v.problem()
		p.Path = fieldPath(v.pointer)
		if v.keyword == "required" && c.unread(p.Path, v.required()...) {
			continue
		}
		c.report(problem.Error, p)
	}
}

// plain turns a typed object into what the schema library judges.
func plain(object any) (any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return decodeJSON(data)
}

func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value any
	err := d.Decode(&value)
	return value, err
}

// ordinary replaces the numbers that are out of all bounds by the largest that
// can be compared: the schema library panics at an exponent of a million.
func ordinary(value any) any {
	switch v := value.(type) {
	case map[string]any:
		changed := make(map[string]any, len(v))
		for key, member := range v {
			changed[key] = ordinary(member)
		}
		return changed
	case []any:
		changed := make([]any, len(v))
		for i, item := range v {
			changed[i] = ordinary(item)
		}
		return changed
	case json.Number:
		return ordinaryNumber(v)
	}
	return value
}

func ordinaryNumber(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), "eE") {
		return n
	}
	f, _ := strconv.ParseFloat(string(n), 64) // out of range: infinite, or zero
	f = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// valueAt follows a JSON pointer; nil when it leads nowhere.
func valueAt(value any, pointer string) any {
	if pointer == "" {
		return value
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch v := value.(type) {
		case map[string]any:
			value = v[unescapePointer(part)]
		case []any:
			var i int
			if _, err := fmt.Sscanf(part, "%d", &i); err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// textAt returns a scalar of the value as text; lists and objects are left out.
func textAt(root any, pointer string) string {
	switch v := valueAt(root, pointer).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

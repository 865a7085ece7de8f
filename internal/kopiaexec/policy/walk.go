package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// setting is one value that a document gives, with where it came from.
type setting struct {
	// value is a bool, a string, a plain whole json.Number, a list of texts, an
	// action object, or a time.Duration for the settings that are no policy.
	value     any
	pointer   string
	from      string
	sensitive bool
	// extends is true for a list to which the global one of the repository
	// belongs, for nothing in the manifest says what that is.
	extends bool
}

// settings are keyed by rule.to.
type settings map[string]setting

// walker reads one document by its grammar.
type walker struct {
	doc          *Document
	names        Names
	allowActions bool
	// unplaced is true for text that this program wrote: its lines mean nothing.
	unplaced  bool
	sensitive bool

	found settings
	notes []Note
}

func (w *walker) read(grammar map[string]rule) {
	w.found = settings{}
	w.object(grammar, w.doc.root, "")
	w.applyLevel()
}

func (w *walker) note(code string, severity problem.Severity, pointer, message, fix string) {
	n := Note{Code: code, Severity: severity, File: w.doc.name, Pointer: pointer, Message: message, Fix: fix}
	if !w.unplaced {
		n.Line, n.Column = w.doc.Position(pointer)
	}
	w.notes = append(w.notes, n)
}

func (w *walker) wrong(pointer, message, fix string) {
	w.note(codeWrongValue, problem.Error, pointer, fmt.Sprintf("%q %s", lastKey(pointer), message), fix)
}

// quote shows a value, unless the document came from a Secret.
func (w *walker) quote(value string) string {
	if w.sensitive {
		return "the value"
	}
	return strconv.Quote(value)
}

func (w *walker) object(fields map[string]rule, members map[string]any, pointer string) {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		child := join(pointer, key)
		r, known := fields[key]
		if !known {
			w.unknown(fields, key, child)
			continue
		}
		if r.remark != nil {
			w.note(r.remark.code, r.remark.severity, child, fmt.Sprintf("%q %s", key, r.remark.message), r.remark.fix)
		}
		w.member(r, members[key], child)
	}
}

func (w *walker) member(r rule, value any, pointer string) {
	switch {
	case value == nil && (r.kind == kindObject || r.kind == kindAction || r.kind == kindAny):
		return
	case value == nil:
		w.note(codeMeaningless, problem.Info, pointer, fmt.Sprintf("%q is null, the same as leaving it out", lastKey(pointer)), "")
		return
	case r.kind == kindObject:
		members, ok := value.(map[string]any)
		if !ok {
			w.wrong(pointer, "must be an object, not "+describe(value), "write its keys in braces")
			return
		}
		w.object(r.fields, members, pointer)
		return
	}
	checked, ok := w.check(r, value, pointer)
	if ok && r.to != "" {
		w.put(r.to, checked, pointer)
	}
}

func (w *walker) put(to string, value any, pointer string) {
	if old, twice := w.found[to]; twice {
		if !equal(old.value, value) {
			w.note(codeClash, problem.Error, pointer,
				fmt.Sprintf("%q and %q mean the same to kopia and have different values", lastKey(old.pointer), lastKey(pointer)),
				"keep one of them")
		}
		return
	}
	w.found[to] = setting{value: value, pointer: pointer, from: w.doc.name, sensitive: w.sensitive}
}

// check returns the value as kopia wants it, or false after saying why not.
func (w *walker) check(r rule, value any, pointer string) (any, bool) {
	switch r.kind {
	case kindAny:
		return value, true
	case kindBool:
		b, ok := value.(bool)
		if !ok {
			w.wrong(pointer, "must be true or false, not "+describe(value), "write it without quotes")
		}
		return b, ok
	case kindInteger:
		return w.integer(r, value, pointer)
	case kindLevel:
		return w.integer(rule{min: math.MinInt32, max: math.MaxInt32}, value, pointer)
	case kindTexts:
		return w.texts(value, pointer)
	case kindDuration, kindInterval:
		return w.duration(r.kind, value, pointer)
	case kindAction:
		return w.action(value, pointer)
	case kindOwner:
		return w.owner(value, pointer)
	default: // a text, or the name of an algorithm
	}
	s, ok := value.(string)
	if !ok {
		w.wrong(pointer, "must be a text, not "+describe(value), "write one text in double quotes")
		return nil, false
	}
	if r.kind == kindText {
		return s, true
	}
	return w.name(r.kind, s, pointer)
}

func (w *walker) integer(r rule, value any, pointer string) (any, bool) {
	number, ok := value.(json.Number)
	if !ok {
		fix := "write one whole number"
		if _, isText := value.(string); isText {
			fix = "write a number without quotes and without a unit"
		}
		w.wrong(pointer, "must be a whole number, not "+describe(value), fix)
		return nil, false
	}
	n, whole := wholeNumber(number)
	switch {
	case !whole:
		w.wrong(pointer, "must be a whole number that fits in 64 bits", "write it without a fraction, and smaller")
	case n < 0 && r.min == 0:
		w.wrong(pointer, "must not be negative", "write 0 or more")
	case n < r.min || n > r.max:
		w.wrong(pointer, fmt.Sprintf("must be between %d and %d", r.min, r.max), "write a number within these bounds")
	default:
		return json.Number(strconv.FormatInt(n, 10)), true
	}
	return nil, false
}

// wholeNumber reads 10, 10.0 and 1e1 alike; kopia's import knows only the first.
func wholeNumber(number json.Number) (int64, bool) {
	if n, err := strconv.ParseInt(string(number), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func (w *walker) texts(value any, pointer string) (any, bool) {
	list, ok := value.([]any)
	if !ok {
		w.wrong(pointer, "must be a list of texts, not "+describe(value), `write it in brackets, as ["a", "b"]`)
		return nil, false
	}
	for i, item := range list {
		if _, isText := item.(string); !isText {
			w.note(codeWrongValue, problem.Error, join(pointer, strconv.Itoa(i)),
				fmt.Sprintf("%q must hold texts only, not %s", lastKey(pointer), describe(item)), "put each text in double quotes")
			ok = false
		}
	}
	return list, ok
}

// duration reads a text as "5m"; where kopia counts seconds, a number too.
func (w *walker) duration(k kind, value any, pointer string) (any, bool) {
	const longest = 10 * 365 * 24 * time.Hour
	expected := `must be a duration as "5m" or a number of seconds`
	if k == kindInterval {
		expected = `must be a duration as "1h" or "24h"`
	}
	var d time.Duration
	switch v := value.(type) {
	case string:
		parsed, err := time.ParseDuration(v)
		if err != nil {
			w.wrong(pointer, expected, "the units are h, m and s")
			return nil, false
		}
		d = parsed
	case json.Number:
		seconds, whole := wholeNumber(v)
		if !whole || k == kindInterval || seconds > int64(longest/time.Second) {
			w.wrong(pointer, expected, "correct the value")
			return nil, false
		}
		d = time.Duration(max(seconds, 0)) * time.Second
	}
	if d <= 0 || d > longest {
		w.wrong(pointer, expected+", more than zero", "correct the value, or remove the key")
		return nil, false
	}
	return d, true
}

func (w *walker) owner(value any, pointer string) (any, bool) {
	s, ok := value.(string)
	user, host, at := strings.Cut(s, "@")
	switch {
	case ok && s == "@local":
		w.note(codeManaged, problem.Warning, pointer, `"owner" is "@local", which kopia does not know; the owner stays as it is`,
			"write user@host")
		return nil, false
	case !ok || !at || user == "" || host == "":
		w.wrong(pointer, `must be "user@host"`, "give both, or remove the key")
		return nil, false
	}
	w.note(codeManaged, problem.Info, pointer, `"owner" is not taken over: the owner of maintenance stays as it is`, "")
	return s, true
}

// lastKey returns the last part of a pointer, unescaped.
func lastKey(pointer string) string {
	key := pointer[strings.LastIndexByte(pointer, '/')+1:]
	return strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
}

func describe(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Object is a policy in kopia's own JSON. Numbers are json.Number, so that
// what is not changed keeps its digits.
type Object = map[string]any

// Export is what kopia's policy export prints and its import reads: the
// defined values of each target.
type Export map[Target]Object

// ParseExport reads the output of kopia's policy export.
func ParseExport(data []byte) (Export, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var export Export
	if err := decoder.Decode(&export); err != nil {
		return nil, fmt.Errorf("the output of kopia policy export is not a map of policies: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the output of kopia policy export has more text after the policies")
	}
	return export, nil
}

// Encode returns the form that kopia's policy import reads from standard
// input. Targets and keys are in order; nothing is escaped that need not be.
func (e Export) Encode() ([]byte, error) {
	if e == nil {
		e = Export{}
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding the policies for kopia: %w", err)
	}
	return buffer.Bytes(), nil
}

// text returns a value as compact JSON for people.
func text(value any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Only decoded JSON gets here, which can always be encoded.
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// clone copies a policy deeply enough to be changed.
func clone(policy Object) Object {
	copied := make(Object, len(policy))
	for key, value := range policy {
		if inner, ok := value.(map[string]any); ok {
			value = clone(inner)
		}
		copied[key] = value
	}
	return copied
}

// equal compares two values: numbers by value, missing and empty alike.
func equal(a, b any) bool {
	if isNothing(a) || isNothing(b) {
		return isNothing(a) && isNothing(b)
	}
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && sameNumber(x, y)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && containsAll(x, y) && containsAll(y, x)
	default:
		return a == b
	}
}

func containsAll(a, b map[string]any) bool {
	for key, value := range b {
		if !equal(a[key], value) {
			return false
		}
	}
	return true
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	m, wholeA := wholeNumber(a)
	n, wholeB := wholeNumber(b)
	if wholeA || wholeB {
		return wholeA && wholeB && m == n
	}
	x, errX := strconv.ParseFloat(string(a), 64)
	y, errY := strconv.ParseFloat(string(b), 64)
	return errX == nil && errY == nil && x == y
}

// isNothing is true for what kopia does not tell from a missing value
// anywhere: null, and an object or list without anything in it.
func isNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, inner := range v {
			if !isNothing(inner) {
				return false
			}
		}
		return true
	}
	return false
}

func isZero(value any) bool {
	switch v := value.(type) {
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		n, whole := wholeNumber(v)
		return whole && n == 0
	}
	return false
}

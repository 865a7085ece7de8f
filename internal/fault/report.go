package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Report writes err for people, each joined error in turn:
//
//	error: what happened, to what
//	  why: what that means
//	  fix: what to do next
//
// It is the only place that prints an error. A nil err writes nothing.
func Report(w io.Writer, err error) {
	for _, e := range flatten(err) {
		fmt.Fprintf(w, "error: %s\n", indent(e.Error()))
		var f *Error
		if !errors.As(e, &f) {
			continue
		}
		if f.Why != "" {
			fmt.Fprintf(w, "  why: %s\n", indent(f.Why))
		}
		if f.Hint != "" {
			fmt.Fprintf(w, "  fix: %s\n", indent(f.Hint))
		}
	}
}

// document is the JSON form of an error, a promise to scripts.
type document struct {
	Kind     Kind     `json:"kind"`
	Where    string   `json:"where,omitempty"`
	Message  string   `json:"message"`
	Why      string   `json:"why,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	ExitCode ExitCode `json:"exitCode"`
}

// ReportJSON writes err as one JSON document {"error": {...}}; of several
// joined errors the first decides, the others follow in its message.
func ReportJSON(w io.Writer, err error) error {
	d := document{Kind: KindOf(err), Message: err.Error(), ExitCode: CodeOf(err)}
	var f *Error
	if errors.As(err, &f) {
		d.Where, d.Why, d.Hint = f.Where, f.Why, f.Hint
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(map[string]document{"error": d})
}

// flatten takes apart what errors.Join made, keeping the order.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// indent keeps the lines of a long message below each other.
func indent(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n       ")
}

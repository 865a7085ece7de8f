package fault

import (
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

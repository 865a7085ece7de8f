package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

// Report writes err for people, each joined error in turn:
//
//	error: what happened, to what
//	  why: what that means
//	  fix: what to do next
//
// It is the only place that prints an error. A nil err writes nothing.
func Report(w io.Writer, err error) {
	var text strings.Builder
	for _, e := range flatten(err) {
		fmt.Fprintf(&text, "error: %s\n", indent(e.Error()))
		var f *Error
		if !errors.As(e, &f) {
			continue
		}
		if f.Why != "" {
			fmt.Fprintf(&text, "  why: %s\n", indent(f.Why))
		}
		if f.Hint != "" {
			fmt.Fprintf(&text, "  fix: %s\n", indent(f.Hint))
		}
	}
	io.WriteString(w, printable.Text(text.String()))
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

// Package fault is the product's one error type, its exit codes, and the one
// place that reports an error to people or scripts.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an Error is. Each kind has one exit code.
type Kind string

// The kinds, with the exit codes of PRODUCT 3.1.
const (
	Failed     Kind = "Failed"     // 1: no code of its own, or the outcome is unknown
	Usage      Kind = "Usage"      // 2: the command line is wrong; nothing was done
	Invalid    Kind = "Invalid"    // 3: the manifest is invalid; nothing was done
	Incomplete Kind = "Incomplete" // 4: a snapshot exists, but something is missing in it
	Refused    Kind = "Refused"    // 5: a precondition does not hold; nothing was changed
	TimedOut   Kind = "TimedOut"   // 6
	Repository Kind = "Repository" // 7: not reachable, wrong password, not initialised, read-only
	Leftover   Kind = "Leftover"   // 8: done, but clean-up left something
	Difference Kind = "Difference" // 9: verification or comparison found a difference
	Interrupt  Kind = "Interrupt"  // 130: cancelled by SIGINT
	Terminated Kind = "Terminated" // 143: cancelled by SIGTERM or SIGHUP
)

// Error is a failure that a person will read.
type Error struct {
	Kind Kind
	// Where names the object or place, as `secret "kopia-config" in "prod"`.
	Where string
	// Err says what was being done and what was observed. A cause is stated
	// only if it was observed; a guess belongs in Hint.
	Err error
	// Why is the documented meaning of what was observed, or empty.
	Why string
	// Hint is one thing the reader can do next, or empty.
	Hint string
}

// Error implements error: "where: what".
func (e *Error) Error() string {
	if e.Where == "" {
		return e.Err.Error()
	}
	return e.Where + ": " + e.Err.Error()
}

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error of the kind from a formatted text; %w wraps.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// At sets Where and returns e.
func (e *Error) At(where string) *Error { e.Where = where; return e }

// WithHint sets Hint and returns e.
func (e *Error) WithHint(hint string) *Error { e.Hint = hint; return e }

// WithWhy sets Why and returns e.
func (e *Error) WithWhy(why string) *Error { e.Why = why; return e }

// KindOf returns the kind of the first Error in err's chain, or Failed. Of
// several joined errors the kind with the worst exit code counts, so that no
// failure hides behind a milder one beside it.
func KindOf(err error) Kind {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // this is the walk along the chain
		case *Error:
			return e.Kind
		case interface{ Unwrap() []error }:
			return worstKind(e.Unwrap())
		}
		err = errors.Unwrap(err)
	}
	return Failed
}

// worstKind is the kind that stands for several errors.
func worstKind(errs []error) Kind {
	kinds := map[ExitCode]Kind{}
	codes := make([]ExitCode, len(errs))
	for i, err := range errs {
		kind := KindOf(err)
		codes[i] = kind.ExitCode()
		kinds[codes[i]] = kind
	}
	return kinds[Worst(codes...)]
}

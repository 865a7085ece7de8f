// Package problem holds what validation and planning have to say about an
// input: one Problem per finding, with a stable code and a position.
//
// It is a leaf. Everything that judges input (spec, argv, policy, validate,
// plan) returns problems; only cmd and ui print them.
package problem

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says what a problem does to the outcome.
type Severity string

// The severities, worst first. An Error stops the run (exit 3 for manifests),
// a Warning is shown, an Info explains a choice. Neither changes the outcome of
// a run; what the run itself meets does, see result.Outcome.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Position is a place in an input file. Line and Column start at 1 and count
// characters; zero means unknown.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String prints file:line:column, leaving out what is unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Problem is one finding.
type Problem struct {
	// Code is stable and documented in docs/reference/findings.md: VK1xx spec,
	// VK2xx arguments, VK3xx policy, VK4xx repository, VK5xx cluster.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Position
	// Object is "Kind namespace/name" of the document, when known.
	Object string `json:"object,omitempty"`
	// Path is the field, as spec.kopia.additionalArgs[1], or for a policy file
	// its name and the JSON pointer: "global-policy.json /compression/level".
	Path string `json:"path,omitempty"`
	// Message says what is wrong and why, in one sentence without a full stop.
	Message string `json:"message"`
	// Fix is one thing the reader can do, or empty.
	Fix string `json:"fix,omitempty"`
}

// List is a set of problems.
type List []Problem

// Sort puts the list in its stable order: file, line, column, code, path,
// message. Problems of one file stay together in order of appearance.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// Count returns how many problems have the severity.
func (l List) Count(s Severity) int {
	n := 0
	for i := range l {
		if l[i].Severity == s {
			n++
		}
	}
	return n
}

// HasErrors reports whether any problem is an Error.
func (l List) HasErrors() bool { return l.Count(Error) > 0 }

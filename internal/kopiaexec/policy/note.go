package policy

import (
	"cmp"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// The codes of this package's notes; internal/problem documents each.
const (
	codeSyntax       = "VK301"
	codeUnknownKey   = "VK302"
	codeWrongValue   = "VK303"
	codeClash        = "VK304"
	codeUnknownName  = "VK305"
	codeRenamed      = "VK306"
	codeMeaningless  = "VK307"
	codeLevel        = "VK308"
	codeElsewhere    = "VK309"
	codeCreationOnly = "VK310"
	codeActions      = "VK311"
	codeCredential   = "VK312"
	codeSchedule     = "VK313"
	codeIdentity     = "VK314"
	codeManaged      = "VK315"
	codeBroken       = "VK316"
	codeWrongTarget  = "VK317"
)

// Note is one finding about a document.
type Note struct {
	// Code is documented in internal/problem.
	Code     string
	Severity problem.Severity
	// File is the document's name; for the manifest's own fields the field.
	File string
	// Pointer is the JSON pointer (RFC 6901) of what is meant; "" is the root.
	Pointer string
	// Line and Column start at 1 within the document; 0: the document is not a
	// text that a person wrote.
	Line, Column int
	// Message says what is wrong or chosen, and why, without a full stop. It
	// holds no value of a document that came from a Secret.
	Message string
	// Fix is one thing the reader can do, or empty.
	Fix string
	// Final is true for an error that no mode of policy errors softens: a
	// credential in the manifest, or the place of the repository, which is no
	// policy and has no default to go on with.
	Final bool
}

func sortNotes(notes []Note) []Note {
	slices.SortStableFunc(notes, func(a, b Note) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return notes
}

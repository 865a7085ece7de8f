package policy

import (
	"math"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// kind is the type that a key's value must have.
type kind int

const (
	kindObject kind = iota
	kindBool
	kindInteger
	kindText
	kindTexts
	kindDuration // text as "5m", or a number of seconds
	kindInterval // text as "24h"
	kindAction   // kopia's action object
	kindAny
	kindLevel
	kindOwner
	kindCompressor
	kindSplitter
	kindHash
	kindEncryption
	kindECC
)

// rule says what a key of a document means. A document's grammar is a map of
// rules: one table holds both spellings, kopia's types, and what is said about
// keys that do nothing.
type rule struct {
	kind kind
	// min and max bound an integer.
	min, max int64
	// optional is true where kopia tells 0 or false from "not set"; elsewhere
	// those values are the same as leaving the key out.
	optional bool
	// fields are the members of an object.
	fields map[string]rule
	// to is the setting that the key gives, as "retention.keepAnnual"; empty:
	// the key gives none.
	to string
	// remark is added as a note wherever the key stands.
	remark *remark
}

type remark struct {
	code     string
	severity problem.Severity
	message  string
	fix      string
}

func object(fields map[string]rule) rule { return rule{kind: kindObject, fields: fields} }

func count(to string) rule {
	return rule{kind: kindInteger, max: math.MaxInt32, optional: true, to: to}
}

func bytesize(to string) rule { return rule{kind: kindInteger, max: math.MaxInt64, to: to} }

func within(to string, highest int64) rule {
	return rule{kind: kindInteger, max: highest, optional: true, to: to}
}

func toggle(to string) rule { return rule{kind: kindBool, optional: true, to: to} }

// plainToggle is a switch whose false kopia does not store.
func plainToggle(to string) rule { return rule{kind: kindBool, to: to} }

func texts(to string) rule { return rule{kind: kindTexts, to: to} }

func named(k kind, to string) rule { return rule{kind: k, to: to} }

func (r rule) noted(code string, severity problem.Severity, message, fix string) rule {
	r.remark = &remark{code, severity, message, fix}
	return r
}

// meaningless is a key that kopia has nothing for.
func meaningless(message, fix string) rule {
	return rule{kind: kindAny}.noted(codeMeaningless, problem.Warning, message, fix)
}

// managed is a key that this tool decides itself.
func managed(message string) rule {
	return rule{kind: kindAny}.noted(codeManaged, problem.Warning, message, "remove the key")
}

// creationOnly is a key that only a new repository takes.
func (r rule) creationOnly() rule {
	return r.noted(codeCreationOnly, problem.Info,
		"takes effect only when the repository is created; an existing repository keeps its own", "")
}

package policy

import (
	"encoding/json"
	"slices"
)

// Dropped is a document that is left out whole because it cannot be used.
type Dropped struct {
	Document *Document
	// Errors are the notes that it is left out for.
	Errors []Note
}

// ResolveDropping is [Resolve] for a run that goes on without what it cannot
// use: a document with an error is left out whole, and the rest is resolved
// again until no such document is left. Documents are told apart by what they
// are, not by their names.
//
// Three things are never left out. The storage of the structured configuration
// stays, because it is no policy. A document with a final error stays, and so
// do errors of the manifest's own fields: both are among the notes, and then
// nothing must be applied.
func ResolveDropping(in Inputs, names Names) (Resolution, []Dropped) {
	var dropped []Dropped
	var storage json.RawMessage
	for {
		r := &resolver{in: in, names: names}
		out := r.resolve()
		if len(dropped) == 0 {
			storage = out.Storage
		}
		more := in.drop(r.errors)
		if len(more) == 0 {
			out.Storage = storage
			return out, dropped
		}
		dropped = append(dropped, more...)
	}
}

// drop takes away the documents that have errors, none of them final.
func (in *Inputs) drop(errors map[*Document][]Note) []Dropped {
	var dropped []Dropped
	for _, doc := range []**Document{&in.Global, &in.RepositoryConfig, &in.Structured, &in.Manual} {
		notes := errors[*doc]
		if len(notes) == 0 || slices.ContainsFunc(notes, func(n Note) bool { return n.Final }) {
			continue
		}
		dropped = append(dropped, Dropped{Document: *doc, Errors: notes})
		*doc = nil
	}
	return dropped
}

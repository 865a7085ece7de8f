package mover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
)

// policyFile is one document that holds policies, and what became of it.
type policyFile struct {
	// title is how the log names it: "global policy".
	title string
	// otherwise is what the log says the run continues with.
	otherwise string
	// name is the document's name in findings, path where it was read.
	name, path string
	// doc is nil for a text that is no document.
	doc *policy.Document
	// broken are the reasons for which it is not used.
	broken []string
	// syntax is true when it is not even JSON.
	syntax bool
}

// document is what is to be resolved; nil: nothing.
func (f *policyFile) document() *policy.Document {
	if f == nil {
		return nil
	}
	return f.doc
}

// drop notes why the document is not used, when it is among those that are not.
func (f *policyFile) drop(dropped []policy.Dropped) {
	for _, d := range dropped {
		if d.Document != f.doc {
			continue
		}
		for _, note := range d.Errors {
			f.broken = append(f.broken, place(note)+note.Message)
		}
	}
}

// place prints where in its file a note is.
func place(note policy.Note) string {
	if note.Line == 0 {
		return note.File + " " + note.Pointer + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", note.File, note.Line, note.Column)
}

// policyFile reads one file of the policy ConfigMap or Secret; nil: there is
// none, and none is promised.
func (d *driver) policyFile(title, name, otherwise string) (*policyFile, error) {
	if d.task.Policy.Dir == "" || name == "" {
		return nil, nil
	}
	f := &policyFile{title: title, otherwise: otherwise, name: name}
	planned, promised := d.task.Policy.SHA256[name]
	data, err := readBelow(d.task.Policy.Dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !promised && !slices.Contains(d.task.Policy.Required, name):
		return nil, nil
	case errors.Is(err, fs.ErrNotExist) && !promised:
		f.broken = []string{fmt.Sprintf("the manifest names the key %q, and its policy ConfigMap or Secret has none", name)}
		return f, nil
	case err != nil:
		return nil, refused("PolicyUnreadable", fault.New(fault.Refused, "read the %s file: %w", title, err))
	}
	f.path = filepath.Join(d.task.Policy.Dir, name)
	sum := sha256.Sum256(data)
	if promised && hex.EncodeToString(sum[:]) != planned {
		return nil, refused("PolicyChanged", fault.New(fault.Refused, "%s has changed since the plan was made", f.path).
			WithHint("run again, so that the plan and the run see the same policies"))
	}
	return d.parse(f, data), nil
}

// structured is the inline configuration; the plan does not send what it leaves
// out, only why.
func (d *driver) structured() *policyFile {
	f := &policyFile{title: "structured repository config", otherwise: "settings", name: "spec.kopia.policyConfig.repositoryConfig"}
	if why := d.task.Policy.StructuredErrors; len(why) > 0 {
		f.broken = why
		return f
	}
	return d.parse(f, d.task.Policy.Structured)
}

// parse reads f's JSON; nil when there is none.
func (d *driver) parse(f *policyFile, data []byte) *policyFile {
	if len(bytes.TrimSpace(data)) == 0 && f.path == "" {
		return nil
	}
	doc, err := policy.ParseDocument(f.name, data)
	if err != nil {
		f.syntax = true
		f.broken = []string{err.Error()}
		return f
	}
	f.doc = doc
	return f
}

// readBelow reads a file of a mounted volume without leaving it, and not much
// more of it than a policy may have.
func readBelow(dir, name string) ([]byte, error) {
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, policy.MaxSize+1))
}

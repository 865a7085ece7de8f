package argv

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// MaxArguments is how many entries additionalArgs may have.
const MaxArguments = 20

// Class says what becomes of an argument.
type Class string

// The classes. Forbidden, Unknown and Invalid ones come with an error and stop
// the run; an Invalid one is a flag that may be given, with a value or in a
// combination that cannot be used.
const (
	Passed     Class = "Passed"
	Translated Class = "Translated"
	LeftOut    Class = "LeftOut"
	Forbidden  Class = "Forbidden"
	Unknown    Class = "Unknown"
	Invalid    Class = "Invalid"
)

// Argument is one flag of additionalArgs with its value.
type Argument struct {
	// Index is the entry where it starts, from 0, and Entries how many entries
	// it takes: 2 when the value stands in the next one, else 1.
	Index   int `json:"index"`
	Entries int `json:"entries"`
	// Raw is how it was written, two entries joined by a blank. What may be a
	// credential reads [redacted], also in Value.
	Raw string `json:"raw"`
	// Flag is the long name with dashes, or empty when there is none.
	Flag  string `json:"flag,omitempty"`
	Value string `json:"value,omitempty"`
	Class Class  `json:"class"`
	// Applied says what a Passed or Translated argument does, as
	// "files.oneFileSystem=true".
	Applied string `json:"applied,omitempty"`
}

// Options is what decides about arguments besides the arguments themselves.
type Options struct {
	// Operation chooses the command: restores have their own flags, everything
	// else is a backup.
	Operation result.Operation
	// Parallelism is the manifest's own field, nil when not given. An argument
	// wins over it.
	Parallelism *int32
}

// Classification is the verdict on additionalArgs.
type Classification struct {
	// Arguments has one element for each flag, in order. Every entry belongs to
	// exactly one of them.
	Arguments []Argument
	// Pass is for kopia: each element starts with "--" and is whole, values
	// byte for byte; --parallel stands there at most once.
	Pass []string
	// Layers are the policies that translated arguments stand for, one layer an
	// argument, in order. Lists in them add to the lists of lower layers.
	Layers []result.PolicyLayer
	// UploadBytesPerSecond and DownloadBytesPerSecond are speed limits in bytes
	// per second, 0 when no argument sets one.
	UploadBytesPerSecond   int64
	DownloadBytesPerSecond int64
	// Problems are in the order of the arguments. Their Path names the entry;
	// there is no position.
	Problems problem.List
}

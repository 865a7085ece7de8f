package spec

import "github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"

// Document is one decoded document of the input; exactly one of the object
// fields is set.
type Document struct {
	// At is the position of the document's first line.
	At          problem.Position
	Source      *ReplicationSource
	Destination *ReplicationDestination
	Maintenance *KopiaMaintenance
	Secret      *Secret
	ConfigMap   *ConfigMap

	positions *positions
}

// Set is everything that was read, in the order of the input.
type Set struct {
	Documents []*Document
}

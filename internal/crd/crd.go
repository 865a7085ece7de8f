// Package crd holds the CustomResourceDefinitions of the kinds that are read,
// for clusters without VolSync. The files are written by tools/crds; what they
// accept is the union of what VolSync's own definitions and validate accept.
package crd

import (
	_ "embed"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

var (
	//go:embed replicationsources.yaml
	replicationSources string
	//go:embed replicationdestinations.yaml
	replicationDestinations string
	//go:embed kopiamaintenances.yaml
	kopiaMaintenances string
)

// Document is the definition of one kind.
type Document struct {
	// Kind is the kind that is defined, as ReplicationSource.
	Kind string
	// YAML is one document without a separator: a CustomResourceDefinition of
	// apiextensions.k8s.io/v1.
	YAML string
}

// Documents returns the definitions in the order in which they are printed.
func Documents() []Document {
	return []Document{
		{spec.KindReplicationSource, replicationSources},
		{spec.KindReplicationDestination, replicationDestinations},
		{spec.KindKopiaMaintenance, kopiaMaintenances},
	}
}

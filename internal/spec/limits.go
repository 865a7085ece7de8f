package spec

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// MaxInputSize is the largest input file that is read, in bytes. A ConfigMap
// or Secret holds at most 1 MiB, so it leaves room for a namespace's export.
const MaxInputSize = 16 << 20

// Limits of one document. Physical size is bounded by MaxInputSize; these stop
// what a small text can blow up to.
const (
	// maxDepth is far above what a Kubernetes object needs; it also ends the
	// walk of an alias that contains itself.
	maxDepth = 200
	// maxElements bounds the memory of the node tree, about 200 bytes each.
	maxElements = 1_000_000
	// maxAliased and maxAliasedBytes bound what aliases expand to.
	maxAliased      = 100_000
	maxAliasedBytes = 16 << 20
)

var (
	errTooDeep    = fmt.Errorf("the document is nested more than %d levels deep", maxDepth)
	errTooMany    = errors.New("the document has more than a million elements")
	errTooAliased = fmt.Errorf("the aliases of the document expand to more than %d elements or %d MiB", maxAliased, maxAliasedBytes>>20)
)

// crowded reports, before any node is made, that text may hold more than
// maxElements nodes.
func crowded(text []byte) bool {
	n := 0
	for _, separator := range []string{"\n", ",", "[", "{"} {
		n += bytes.Count(text, []byte(separator))
	}
	return n > maxElements
}

// meter walks a document as a decoder would, following aliases.
type meter struct{ nodes, bytes int }

// check returns the limit that the document breaks and the node where it does.
func (m *meter) check(n *yaml.Node, depth int, aliased bool) (*yaml.Node, error) {
	if depth > maxDepth {
		return n, errTooDeep
	}
	if aliased {
		m.nodes++
		m.bytes += len(n.Value)
		if m.nodes > maxAliased || m.bytes > maxAliasedBytes {
			return n, errTooAliased
		}
	}
	if n.Kind == yaml.AliasNode {
		if at, err := m.check(n.Alias, depth+1, true); err != nil {
			// Report the alias, which is what has to be changed, not its anchor.
			if !aliased {
				at = n
			}
			return at, err
		}
		return nil, nil
	}
	for _, child := range n.Content {
		if at, err := m.check(child, depth+1, aliased); err != nil {
			return at, err
		}
	}
	return nil, nil
}

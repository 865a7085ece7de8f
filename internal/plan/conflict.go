package plan

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// reason says why the mover must run on p's node.
func (p *place) reason() string {
	if p.pod == "" {
		return fmt.Sprintf("claim %s: its volume is attached there", p.claim)
	}
	return fmt.Sprintf("pod %s holds claim %s there", p.pod, p.claim)
}

// held says where the volume is.
func (p *place) held() string {
	if p.pod == "" {
		return "attached to node " + p.node
	}
	return fmt.Sprintf("held by pod %s on node %s", p.pod, p.node)
}

// title names what is mounted.
func (p *place) title() string {
	if p.copied {
		return fmt.Sprintf("the copy of claim %q", p.claim)
	}
	return fmt.Sprintf("claim %q", p.claim)
}

// checkConflicts reports every pair of volumes that no node can mount.
func (b *builder) checkConflicts(places []place) {
	for i := range places {
		for j := range places[:i] {
			if why := conflict(&places[j], &places[i]); why != "" {
				b.find(problem.Error, codeNodeConflict, places[i].path,
					fmt.Sprintf("no node can mount both %s and %s: %s", places[j].title(), places[i].title(), why), apart(places))
			}
		}
	}
}

// apart is the way out of a conflict.
func apart(places []place) string {
	const fix = "use a repository volume that every node can mount (ReadWriteMany or NFS), or "
	if slices.ContainsFunc(places, func(p place) bool { return p.copied }) {
		return fix + "a storageClassName whose volumes are not bound to a node"
	}
	return fix + "copyMethod Snapshot or Clone for the source"
}

// conflict says why two volumes cannot meet on a node, or "".
func conflict(x, y *place) string {
	if x.node != "" && y.node != "" && x.node != y.node {
		return fmt.Sprintf("the first is %s, the second %s", x.held(), y.held())
	}
	if why := nodeAgainst(x, y); why != "" {
		return why
	}
	if why := nodeAgainst(y, x); why != "" {
		return why
	}
	for _, key := range sortedKeys(x.topology) {
		values := y.topology[key]
		if len(values) == 0 {
			continue
		}
		if !slices.ContainsFunc(x.topology[key], func(v string) bool { return slices.Contains(values, v) }) {
			return fmt.Sprintf("%s must be %s for the first and %s for the second",
				key, strings.Join(x.topology[key], " or "), strings.Join(values, " or "))
		}
	}
	return ""
}

// nodeAgainst says why the node that holds x cannot mount y, or "". A label
// that is not known decides nothing.
func nodeAgainst(x, y *place) string {
	if x.node == "" {
		return ""
	}
	for _, key := range sortedKeys(y.topology) {
		value, known := x.nodeLabels[key]
		if !known && key == corev1.LabelHostname && len(x.nodeLabels) == 0 {
			value, known = x.node, true
		}
		if known && !slices.Contains(y.topology[key], value) {
			return fmt.Sprintf("%s is %s, but %s needs %s %s", x.title(), x.held(), y.title(), key, strings.Join(y.topology[key], " or "))
		}
	}
	return ""
}

package plan

import (
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// resolve works the policies out as the mover does: where a document with an
// error is only warned about, nothing of it is used.
func (b *builder) resolve(in policy.Inputs, names policy.Names, p *policies) {
	if b.in.Options.PolicyErrors != result.PolicyErrorsWarn {
		p.resolved = policy.Resolve(in, names)
		b.notes(p.resolved.Notes)
		return
	}
	out, dropped := policy.ResolveDropping(in, names)
	for _, d := range dropped {
		b.notes(d.Errors)
		if d.Document == in.Structured {
			p.structured, p.structuredErrors = nil, reasons(d.Errors)
		}
	}
	b.notes(out.Notes)
	p.resolved = out
}

func (b *builder) notes(notes []policy.Note) {
	for _, n := range notes {
		b.note(n)
	}
}

// reasons are the notes as the mover's log words them.
func reasons(notes []policy.Note) []string {
	var lines []string
	for _, n := range notes {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", n.File, n.Line, n.Column, n.Message))
	}
	return lines
}

package ui

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

// WriteMarkdown writes the report as a table for a job summary or a comment.
func WriteMarkdown(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "### validate: %s\n", r.Summary())
	if len(r.Problems) > 0 {
		fmt.Fprint(out, "\n| place | severity | code | finding | fix |\n|---|---|---|---|---|\n")
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n",
			markdown(p.Position.String()), p.Severity, p.Code, markdown(sentence(p)), markdown(p.Fix))
	}
	return out.Flush()
}

// markdown keeps a text inside its cell and shows it as it is, printable.
func markdown(s string) string {
	return strings.NewReplacer(
		"\n", " ", "\r", " ", `\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`,
		"<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`,
	).Replace(printable.Text(s))
}

package ui

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// widestPlace bounds the first column: one very long file name must not push
// every line out of the window.
const widestPlace = 48

// WriteTable writes one line a problem, and below errors and warnings what to
// do about them.
func WriteTable(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	width := 0
	for i := range r.Problems {
		width = max(width, min(widestPlace, utf8.RuneCountInString(r.Problems[i].Position.String())))
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		writePadded(out, p.Position.String(), width)
		fmt.Fprintf(out, " %-8s %s  %s\n", p.Severity, p.Code, sentence(p))
		if p.Fix != "" && p.Severity != problem.Info {
			fmt.Fprintf(out, "%s fix: %s\n", strings.Repeat(" ", width), p.Fix)
		}
	}
	if len(r.Problems) > 0 {
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func writePadded(out *bufio.Writer, text string, width int) {
	_, _ = out.WriteString(text)
	for range width - utf8.RuneCountInString(text) {
		_ = out.WriteByte(' ')
	}
}

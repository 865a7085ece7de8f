package ui

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
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
		width = max(width, min(widestPlace, utf8.RuneCountInString(place(&r.Problems[i]))))
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		writePadded(out, place(p), width)
		fmt.Fprintf(out, " %-8s %s  %s\n", p.Severity, p.Code, printable.Line(sentence(p)))
		if p.Fix != "" && p.Severity != problem.Info {
			fmt.Fprintf(out, "%s fix: %s\n", strings.Repeat(" ", width), printable.Line(p.Fix))
		}
	}
	if len(r.Problems) > 0 {
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// place is where the problem is, for people.
func place(p *problem.Problem) string { return printable.Line(p.Position.String()) }

func writePadded(out *bufio.Writer, text string, width int) {
	_, _ = out.WriteString(text)
	for range width - utf8.RuneCountInString(text) {
		_ = out.WriteByte(' ')
	}
}

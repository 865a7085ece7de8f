package ui

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// WriteGitHub writes GitHub workflow commands, one a problem: the runner shows
// each as an annotation of its line. The runner reads them from stdout and
// stderr alike.
func WriteGitHub(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	for i := range r.Problems {
		p := &r.Problems[i]
		fmt.Fprintf(out, "::%s %s::%s\n", githubLevel(p.Severity), githubProperties(p), escapeData(sentenceWithFix(p)))
	}
	return out.Flush()
}

func githubLevel(s problem.Severity) string {
	if s == problem.Info {
		return "notice"
	}
	return string(s)
}

func githubProperties(p *problem.Problem) string {
	properties := []string{"file=" + escapeProperty(p.File)}
	if p.Line > 0 {
		properties = append(properties, fmt.Sprintf("line=%d", p.Line))
	}
	if p.Column > 0 {
		properties = append(properties, fmt.Sprintf("col=%d", p.Column))
	}
	return strings.Join(append(properties, "title="+escapeProperty(p.Code)), ",")
}

// escapeData keeps a text from ending its command or starting another one. The
// runner prints it to its log.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(printable.Text(s))
}

func escapeProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(s))
}

package ui

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// Report is the outcome of judging manifests.
type Report struct {
	// Version is the program's, without a leading v.
	Version string
	// Files are the names of the inputs that were read, in their order.
	Files []string
	// Problems are in their stable order.
	Problems problem.List
}

// counts are the numbers of a report.
type counts struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
	Files    int `json:"files"`
}

func (r *Report) counts() counts {
	return counts{
		Errors: r.Problems.Count(problem.Error), Warnings: r.Problems.Count(problem.Warning),
		Infos: r.Problems.Count(problem.Info), Files: len(r.Files),
	}
}

// Summary is the closing line without what happens next, as "1 error, 2
// warnings in 2 files". Infos explain choices and are not counted beside
// errors or warnings.
func (r *Report) Summary() string {
	n := r.counts()
	var parts []string
	if n.Errors > 0 {
		parts = append(parts, plural(n.Errors, "error"))
	}
	if n.Warnings > 0 {
		parts = append(parts, plural(n.Warnings, "warning"))
	}
	if len(parts) == 0 {
		parts = append(parts, "no problems")
	}
	return strings.Join(parts, ", ") + " in " + plural(n.Files, "file")
}

func plural(n int, noun string) string { return Count(int64(n), noun) }

// Count counts what the noun names for people: 1 file, 1,204 files.
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// field is the path as people are shown it: without the part that is the same
// everywhere.
func field(path string) string {
	for _, prefix := range []string{"spec.kopia.", "spec."} {
		if short, ok := strings.CutPrefix(path, prefix); ok {
			return short
		}
	}
	return path
}

// sentence is a problem in one line, without its place.
func sentence(p *problem.Problem) string {
	if f := field(p.Path); f != "" {
		return fmt.Sprintf("%s: %s", f, p.Message)
	}
	return p.Message
}

// sentenceWithFix adds what to do, for formats that have one text a problem.
func sentenceWithFix(p *problem.Problem) string {
	if p.Fix == "" {
		return sentence(p)
	}
	return sentence(p) + "\nFix: " + p.Fix
}

// Sentence is a problem in one line for people: its place, what is wrong, and what
// to do about it.
func Sentence(p *problem.Problem) string {
	text := sentence(p)
	if place := p.Position.String(); place != "" {
		text = place + ": " + text
	}
	if p.Fix != "" {
		text += "; fix: " + p.Fix
	}
	return text
}

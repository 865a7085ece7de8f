package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// gitlabIssue is one entry of a GitLab code quality report.
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string      `json:"path"`
	Lines gitlabLines `json:"lines"`
}

type gitlabLines struct {
	Begin int `json:"begin"`
}

// WriteGitLab writes the report as GitLab code quality JSON: a list of issues,
// each with a fingerprint that survives a move to another line.
func WriteGitLab(w io.Writer, r *Report) error {
	issues := make([]gitlabIssue, 0, len(r.Problems))
	for i := range r.Problems {
		p := &r.Problems[i]
		issues = append(issues, gitlabIssue{
			Description: sentenceWithFix(p), CheckName: p.Code, Fingerprint: fingerprint(p),
			Severity: gitlabSeverity(p.Severity),
			Location: gitlabLocation{Path: p.File, Lines: gitlabLines{Begin: max(p.Line, 1)}},
		})
	}
	return encode(w, issues)
}

func gitlabSeverity(s problem.Severity) string {
	switch s {
	case problem.Error:
		return "critical"
	case problem.Warning:
		return "minor"
	default:
		return "info"
	}
}

// fingerprint names a problem without its line, so that an edit above it does
// not make it a new one.
func fingerprint(p *problem.Problem) string {
	h := sha256.New()
	for _, part := range []string{p.Code, p.File, p.Object, p.Path, p.Message} {
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0})
	}
	const enough = 20
	return hex.EncodeToString(h.Sum(nil)[:enough])
}

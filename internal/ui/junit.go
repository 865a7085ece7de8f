package ui

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// The JUnit form as the common consumers (Jenkins, GitLab, Azure) read it: a
// suite a file, a case a problem, a failure only for errors.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr,omitempty"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr,omitempty"` // seconds
		Failure   *junitFailure `xml:"failure,omitempty"`
		Skipped   *junitSkipped `xml:"skipped,omitempty"`
		Output    string        `xml:"system-out,omitempty"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML. A file without errors has one
// passing case, so that it counts as checked.
func WriteJUnit(w io.Writer, r *Report) error {
	byFile := map[string][]*problem.Problem{}
	files := r.Files
	for i := range r.Problems {
		p := &r.Problems[i]
		if byFile[p.File] == nil && !slices.Contains(r.Files, p.File) {
			files = append(files[:len(files):len(files)], p.File)
		}
		byFile[p.File] = append(byFile[p.File], p)
	}
	all := junitSuites{Name: "kubectl volsync-kopia validate"}
	for _, file := range files {
		s := junitSuiteOf(file, byFile[file])
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Suites = append(all.Suites, s)
	}
	return writeJUnit(w, all)
}

func junitSuiteOf(file string, problems []*problem.Problem) junitSuite {
	s := junitSuite{Name: file}
	var remarks []string
	for _, p := range problems {
		line := p.Position.String() + " " + string(p.Severity) + " " + p.Code + " " + sentenceWithFix(p)
		if p.Severity != problem.Error {
			remarks = append(remarks, line)
			continue
		}
		s.Failures++
		s.Cases = append(s.Cases, junitCase{
			Name: strings.TrimSpace(p.Code + " " + p.Position.String() + " " + field(p.Path)), ClassName: file,
			Failure: &junitFailure{Type: p.Code, Message: sentence(p), Text: line},
		})
	}
	if s.Failures == 0 || len(remarks) > 0 {
		name := "valid"
		if s.Failures > 0 {
			name = "remarks"
		}
		s.Cases = append(s.Cases, junitCase{Name: name, ClassName: file, Output: strings.Join(remarks, "\n")})
	}
	s.Tests = len(s.Cases)
	return s
}

package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// maxTitle is how wide the column of titles may grow.
const maxTitle = 80

// steps are the steps in order, the mover's commands among them.
func (pr *printer) steps() {
	if len(pr.p.Steps) == 0 {
		return
	}
	pr.linef("")
	pr.linef("Steps")
	width := 0
	for i := range pr.p.Steps {
		width = max(width, min(len(pr.p.Steps[i].Title), maxTitle))
	}
	for i := range pr.p.Steps {
		s := &pr.p.Steps[i]
		pr.linef("  %2d %-10s%-*s  %s", s.ID, s.Kind, width, s.Title, details(s))
		if s.Kind == StepFollow || s.Kind == StepRun || s.Kind == StepUnsuspend && pr.p.Detached() {
			pr.commands()
		}
	}
	pr.linef("If it ends early: %s", pr.cleanup())
}

// details are a step's note, targets and waits.
func details(s *Step) string {
	var parts []string
	if s.Note != "" {
		parts = append(parts, s.Note)
	}
	switch s.Kind {
	case StepDelete:
		parts = append(parts, "steps "+strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Targets), " ", ", "), "[]"))
	case StepReclaim:
		parts = append(parts, s.Reclaim.Field+": Delete")
	case StepKeep:
		if *s.KeepSeconds == 0 {
			parts = append(parts, "removed at once")
		} else {
			parts = append(parts, "kept "+span(result.Duration(time.Duration(*s.KeepSeconds)*time.Second)))
		}
	default:
		// the other kinds say everything in title, note and waits
	}
	for _, wait := range s.Waits {
		if wait.Timeout == 0 {
			parts = append(parts, "wait "+string(wait.For))
			continue
		}
		parts = append(parts, "wait "+string(wait.For)+" "+span(wait.Timeout))
	}
	return strings.Join(parts, ", ")
}

// span prints a duration without its zero parts: 10m, not 10m0s.
func span(d result.Duration) string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (pr *printer) commands() {
	for _, c := range pr.p.Commands {
		note := c.Purpose
		if c.When != "" {
			note += ", " + c.When
		}
		line := "kopia " + shown(c.Args)
		if c.Action != "" {
			line = c.Action
		}
		pr.linef("                %s    # %s", line, note)
	}
}

// shown leaves out the arguments that every command has; the JSON form has
// them all.
func shown(args []string) string {
	var out []string
	for _, a := range args {
		switch name, _, _ := strings.Cut(a, "="); name {
		case "--config-file", "--log-dir", "--disable-file-logging", "--no-auto-maintenance", "--no-progress", "--progress":
		default:
			out = append(out, quoted(a))
		}
	}
	return strings.Join(out, " ")
}

// quoted marks an argument with a blank as one.
func quoted(a string) string {
	if strings.ContainsAny(a, " \t\n\"'") || a == "" {
		return fmt.Sprintf("%q", a)
	}
	return a
}

func (pr *printer) cleanup() string {
	var parts []string
	for _, c := range pr.p.Cleanup {
		word := string(c.Action)
		if c.Action == CleanupDeleteUnstarted {
			word = "delete, unless it started,"
		}
		if c.Action == CleanupExec {
			word = "the after hook, once begun,"
		}
		parts = append(parts, fmt.Sprintf("%s %d", word, c.Step))
	}
	if limit := pr.p.CleanupTimeout; limit > 0 && len(parts) > 0 {
		parts = append(parts, "each within "+span(limit))
	}
	return strings.Join(parts, "; ")
}

// needs are the rights, the optional ones apart.
func (pr *printer) needs() {
	var must, may []string
	for _, rule := range pr.p.Needs {
		text := strings.Join(rule.Verbs, ",") + " " + qualified(rule)
		if rule.Optional {
			may = append(may, text)
		} else {
			must = append(must, text)
		}
	}
	if len(must) > 0 {
		pr.linef("")
		pr.linef("Needs: %s", strings.Join(must, "; "))
		pr.linef("Better with: %s", strings.Join(may, "; "))
	}
	for _, u := range pr.p.Unknown {
		pr.linef("Unknown: %s (%s)", u.Fact, u.Reason)
	}
}

// findings are what there is to say about the manifest and the cluster.
func (pr *printer) findings() {
	if len(pr.p.Findings) == 0 {
		return
	}
	pr.linef("")
	rows := make([][]string, 0, len(pr.p.Findings))
	for i := range pr.p.Findings {
		rows = append(rows, findingRow(&pr.p.Findings[i]))
	}
	pr.table(rows)
}

func findingRow(f *problem.Problem) []string {
	text := f.Message
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Fix != "" {
		text += "; fix: " + f.Fix
	}
	return []string{f.String(), string(f.Severity), f.Code, text}
}

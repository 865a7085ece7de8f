package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// firstWarning is the first warning of a run in a line of its own: the log, which
// has them all, may not have been shown.
func firstWarning(r result.Result) string {
	if len(r.Warnings) == 0 {
		return ""
	}
	w := r.Warnings[0]
	text := "\n  warning " + strings.TrimSpace(w.Code+" "+w.Message)
	if more := len(r.Warnings) - 1 + r.OmittedWarnings; more > 0 {
		text += fmt.Sprintf("\n  and %d more in the result's warnings (-o json)", more)
	}
	return text
}

// maintained is a maintenance in a few words.
func maintained(m *result.MaintenanceReport) string {
	text := ui.Count(int64(m.Count()), "cycle")
	if m.PreviousOwner != "" {
		text += ", taken over from " + m.PreviousOwner
	}
	if m.NextFull != nil {
		text += ", next full maintenance due " + m.NextFull.UTC().Format(time.RFC3339)
	}
	return text
}

// summary is the Result in one line, and one more for what it met.
func (v *verdict) summary() string {
	r := v.result
	text := string(r.Outcome)
	if s := r.Snapshot; s != nil && s.ID != "" {
		text += fmt.Sprintf(": snapshot %s of %s, %s, %s", s.ID, s.Identity, ui.Count(s.Files, "file"), ui.Bytes(s.Size))
		if s.Proved != "" {
			text += fmt.Sprintf(", proved (%s)", s.Proved)
		}
		if s.Failed > 0 {
			text += fmt.Sprintf(", %d could not be read", s.Failed)
		}
		if s.Ignored > 0 {
			text += ", " + ui.Count(s.Ignored, "error") + " ignored by policy"
		}
	} else if m := r.Maintenance; m != nil && v.done() {
		text += ": " + maintained(m)
	} else if r.Message != "" && v.done() {
		text += ": " + r.Message
	}
	if t := r.Restore; t != nil {
		text += fmt.Sprintf("; restored %s, %s to %s", ui.Count(t.Files, "file"), ui.Bytes(t.Size), t.TargetDir)
	}
	if r.Repository != nil && r.Repository.Created {
		text += "; the repository was created by this run"
	}
	return text + ", in " + ui.Took(r.EndTime.Sub(r.StartTime)) + firstWarning(*r)
}

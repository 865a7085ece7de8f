package cmd

import (
	"fmt"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// warnOf shows the warnings that the plan of a run adds to those of its
// manifests, which load has printed. The run itself tells of those that its
// Result starts with, unless it is not shown.
func (r *runFlags) warnOf(f *Factory, input *manifests, d *spec.Document, p plan.Plan, observer run.Observer) error {
	own := slices.DeleteFunc(slices.Clone(p.Findings[len(findingsOf(input.problems, d)):]), func(p problem.Problem) bool {
		return p.Severity != problem.Warning
	})
	if r.progress == string(ui.ModeNone) {
		if err := ui.WriteTable(f.Streams.ErrOut, &ui.Report{Version: version.Version, Problems: own}); err != nil {
			return fmt.Errorf("write the findings: %w", err)
		}
		return nil
	}
	for i := range own {
		w := result.Warning{Code: own[i].Code, Message: own[i].Message}
		if slices.Contains(p.Task.Warnings, w) {
			continue
		}
		e := result.Event{}.Of(p.RunID, f.Now())
		e.Type, e.Message = result.EventLog, "WARNING: "+w.Code+" "+w.Message
		if own[i].Fix != "" {
			e.Message += "; fix: " + own[i].Fix
		}
		observer.Observe(e)
		e.Type, e.Message, e.Warning = result.EventWarning, "", &w
		observer.Observe(e)
	}
	return nil
}

package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// verdict is how the run of one object ended. A run that could not begin has an
// error and no result.
type verdict struct {
	object string
	result *result.Result
	// err stopped the run before a mover could say anything.
	err  error
	left []error
	code fault.ExitCode
}

// failedVerdict is the verdict of a run that could not begin.
func failedVerdict(object string, err error) verdict {
	return verdict{object: object, err: err, code: fault.CodeOf(err)}
}

// executedVerdict is the verdict of an executed plan.
func executedVerdict(object string, x run.Execution) verdict {
	return verdict{object: object, result: &x.Result, err: x.Err, left: x.Left, code: x.ExitCode()}
}

// skippedVerdict is the verdict of a plan that has nothing to do.
func skippedVerdict(p plan.Plan, object string, now time.Time) verdict {
	r := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: p.Operation, RunID: p.RunID, Object: p.Object,
		Identity: p.Identity, Outcome: result.Skipped, Reason: p.Skip.Reason, Message: p.Skip.Message, StartTime: now, EndTime: now,
	}
	return verdict{object: object, result: &r}
}

// report is the JSON document for several sources.
type report struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	ExitCode   fault.ExitCode  `json:"exitCode"`
	Items      []result.Result `json:"items"`
}

// reportVerdicts prints the verdicts, on stdout what came out and on stderr
// what went wrong, and returns the worst exit code.
func (f *Factory) reportVerdicts(output string, verdicts []verdict) error {
	codes := make([]fault.ExitCode, len(verdicts))
	for i, v := range verdicts {
		codes[i] = v.code
	}
	worst := fault.Worst(codes...)
	var err error
	if output == "json" {
		err = writeVerdictsJSON(f.Streams.Out, verdicts, worst)
	} else {
		for _, v := range verdicts {
			err = errors.Join(err, writeVerdict(f.Streams.Out, v, len(verdicts) > 1))
		}
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	for _, v := range verdicts {
		f.reportFault(v)
	}
	return exitWith(worst)
}

// reportFault prints what went wrong.
func (f *Factory) reportFault(v verdict) {
	switch {
	case v.err != nil:
		fault.Report(f.Streams.ErrOut, v.err)
	case v.code != fault.OK && v.result != nil && v.result.ExitCode != 0:
		e := fault.New(fault.Failed, "%s", v.result.Message).WithHint(v.result.Hint)
		fault.Report(f.Streams.ErrOut, e)
	}
	for _, err := range v.left {
		fault.Report(f.Streams.ErrOut, err)
	}
}

// writeVerdictsJSON prints one Result, or for several sources one Report.
func writeVerdictsJSON(w io.Writer, verdicts []verdict, worst fault.ExitCode) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if len(verdicts) == 1 {
		if v := verdicts[0]; v.result == nil {
			return fault.ReportJSON(w, v.err)
		}
		return enc.Encode(verdicts[0].result)
	}
	r := report{APIVersion: result.APIVersion, Kind: "Report", ExitCode: worst}
	for _, v := range verdicts {
		r.Items = append(r.Items, v.orUnstarted())
	}
	return enc.Encode(r)
}

// orUnstarted is the result, or one that says why there is none.
func (v verdict) orUnstarted() result.Result {
	if v.result != nil {
		return *v.result
	}
	return result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Outcome: run.OutcomeOf(fault.KindOf(v.err)),
		ExitCode: int(v.code), Message: v.object + ": " + v.err.Error(),
	}
}

// writeVerdict prints one line for people.
func writeVerdict(w io.Writer, v verdict, named bool) error {
	if v.result == nil {
		return nil
	}
	line := ""
	if named {
		line = v.object + ": "
	}
	_, err := fmt.Fprintln(w, line+summary(*v.result))
	return err
}

// summary is a Result in one line.
func summary(r result.Result) string {
	text := string(r.Outcome)
	if s := r.Snapshot; s != nil && s.ID != "" {
		text += fmt.Sprintf(": snapshot %s of %s, %s files, %s", s.ID, s.Identity, humanize.Comma(s.Files), ui.Bytes(s.Size))
		if s.Proved != "" {
			text += fmt.Sprintf(", proved (%s)", s.Proved)
		}
		if s.Failed > 0 {
			text += fmt.Sprintf(", %d could not be read", s.Failed)
		}
		if s.Ignored > 0 {
			text += fmt.Sprintf(", %d errors ignored by policy", s.Ignored)
		}
	} else if r.Message != "" && r.ExitCode == 0 {
		text += ": " + r.Message
	}
	if t := r.Restore; t != nil {
		text += fmt.Sprintf("; restored %s files, %s to %s", humanize.Comma(t.Files), ui.Bytes(t.Size), t.TargetDir)
	}
	if r.Repository != nil && r.Repository.Created {
		text += "; the repository was created by this run"
	}
	return text + ", in " + ui.Took(r.EndTime.Sub(r.StartTime))
}

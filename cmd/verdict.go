package cmd

import (
	"context"
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
	// ref and operation say whose run it is, for a run that could not begin.
	ref       result.ObjectRef
	operation result.Operation
	result    *result.Result
	// err stopped the run before a mover could say anything.
	err error
	// started is set, and nothing else, for a run that goes on by itself.
	started *result.Event
	// left are what clean-up could not remove.
	left []error
	// code is the run's own; settle raises it for what is left.
	code fault.ExitCode
}

// failedVerdict is the verdict of a run that could not begin.
func failedVerdict(object string, err error) verdict {
	return verdict{object: object, err: err, code: fault.CodeOf(err)}
}

// endedBy makes the verdict of a run that could not begin say what ended it.
func (v verdict) endedBy(ctx context.Context) verdict {
	if v.err == nil || v.result != nil {
		return v
	}
	v.err = endedBy(ctx, v.err)
	v.code = fault.CodeOf(v.err)
	return v
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

// startedVerdict is the verdict of a run whose mover goes on without the command.
func startedVerdict(p plan.Plan, object string, now time.Time) verdict {
	return verdict{object: object, started: &result.Event{
		APIVersion: result.APIVersion, Kind: result.KindEvent, Time: now, RunID: p.RunID, Type: result.EventStart,
		Message: "Started: run " + p.RunID + " goes on by itself; kubectl volsync-kopia runs attach " + p.RunID + " -n " + p.Object.Namespace + " follows it",
	}}
}

// of says whose run the verdict is of.
func (v verdict) of(operation result.Operation, ref result.ObjectRef) verdict {
	v.operation, v.ref = operation, ref
	return v
}

// leave adds what clean-up could not remove; nil adds nothing.
func (v *verdict) leave(err error) {
	if err != nil {
		v.left = append(v.left, err)
	}
}

// settle makes the exit code say that something is left, in the Result too. It
// may be called again.
func (v *verdict) settle() {
	if v.code != fault.OK || len(v.left) == 0 {
		return
	}
	v.code = fault.Leftover.ExitCode()
	if v.result != nil {
		v.result.ExitCode = int(v.code)
	}
}

// done reports whether the run did what it was for, also if it left something.
func (v *verdict) done() bool { return v.code == fault.OK || v.code == fault.Leftover.ExitCode() }

// document is the result, or for a run that could not begin one that says why.
func (v *verdict) document(now time.Time) result.Result {
	if v.result != nil {
		return *v.result
	}
	kind := fault.KindOf(v.err)
	r := result.Result{
		APIVersion: result.APIVersion, Kind: result.KindResult, Operation: v.operation, Object: v.ref,
		Outcome: result.OutcomeOf(kind), ExitCode: int(v.code), Reason: string(kind), Message: v.err.Error(),
		StartTime: now, EndTime: now,
	}
	var e *fault.Error
	if errors.As(v.err, &e) {
		r.Hint = e.Hint
	}
	return r
}

// report is the JSON document for several sources.
type report struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	ExitCode   fault.ExitCode `json:"exitCode"`
	// Items are Results, or the start Event of a run that goes on by itself.
	Items []any `json:"items"`
}

// reportVerdicts prints the verdicts, on stdout what came out and on stderr
// what went wrong, and returns the worst exit code.
func (f *Factory) reportVerdicts(output string, verdicts []verdict) error {
	codes := make([]fault.ExitCode, len(verdicts))
	for i := range verdicts {
		verdicts[i].settle()
		codes[i] = verdicts[i].code
	}
	worst := fault.Worst(codes...)
	var err error
	if output == "json" {
		err = f.writeVerdictsJSON(verdicts, worst)
	} else {
		for i := range verdicts {
			err = errors.Join(err, writeVerdict(f.Streams.Out, &verdicts[i], len(verdicts) > 1))
		}
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	for i := range verdicts {
		f.reportFault(&verdicts[i])
	}
	return exitWith(worst)
}

// reportFault prints what went wrong.
func (f *Factory) reportFault(v *verdict) {
	switch {
	case v.err != nil:
		fault.Report(f.Streams.ErrOut, v.err)
	case !v.done() && v.result != nil:
		fault.Report(f.Streams.ErrOut, fault.New(fault.Failed, "%s", v.result.Message).WithHint(v.result.Hint))
	}
	for _, err := range v.left {
		fault.Report(f.Streams.ErrOut, err)
	}
}

// writeVerdictsJSON prints one Result, or for several sources one Report.
func (f *Factory) writeVerdictsJSON(verdicts []verdict, worst fault.ExitCode) error {
	r := report{APIVersion: result.APIVersion, Kind: "Report", ExitCode: worst}
	for i := range verdicts {
		if v := &verdicts[i]; v.started != nil {
			r.Items = append(r.Items, v.started)
		} else {
			r.Items = append(r.Items, v.document(f.Now()))
		}
	}
	if len(r.Items) == 1 {
		return writeJSON(f.Streams.Out, r.Items[0])
	}
	return writeJSON(f.Streams.Out, r)
}

// writeVerdict prints one line for people.
func writeVerdict(w io.Writer, v *verdict, named bool) error {
	line := ""
	if named {
		line = v.object + ": "
	}
	if v.started != nil {
		_, err := fmt.Fprintln(w, line+v.started.Message)
		return err
	}
	if v.result == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, line+v.summary())
	return err
}

// summary is the Result in one line.
func (v *verdict) summary() string {
	r := v.result
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
	} else if r.Message != "" && v.done() {
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

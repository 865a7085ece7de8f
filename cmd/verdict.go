package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
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
	// at is where its manifest stands.
	at     problem.Position
	result *result.Result
	// err stopped the run before a mover could say anything.
	err error
	// plan is set for a dry run; the rest is about the question to the repository
	// that --connect asks for it.
	plan *plan.Plan
	// told is true when the display of the run has told of the result as it is.
	told bool
	// named is true when the verdict is one of several.
	named bool
	// reported is what the display has said of the failure, as fault.Report does.
	reported string
	// started is set, and else only what is left, for a run that goes on by itself.
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
	v.err = unreachable(endedBy(ctx, v.err))
	v.code = fault.CodeOf(v.err)
	return v
}

// executedVerdict is the verdict of an executed plan.
func executedVerdict(object string, x run.Execution) verdict {
	return verdict{object: object, result: &x.Result, err: x.Err, left: x.Left, code: x.ExitCode(), told: true}
}

// shownBy notes what the display of the run has said of its failure.
func (v *verdict) shownBy(display ui.Progress) {
	if r, is := display.(ui.Reporter); is {
		v.reported = r.Reported()
	}
}

// plannedVerdict is the verdict of a dry run.
func plannedVerdict(object string, p plan.Plan, err error) verdict {
	if err != nil {
		return failedVerdict(object, err)
	}
	return verdict{object: object, plan: &p}
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
	started := result.Event{
		Type:    result.EventStart,
		Message: "Started: run " + p.RunID + " goes on by itself; kubectl volsync-kopia runs attach " + p.RunID + " -n " + p.Object.Namespace + " follows it",
	}.Of(p.RunID, now)
	return verdict{object: object, started: &started}
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
	v.code, v.told = fault.Leftover.ExitCode(), false
	if v.result != nil {
		v.result.ExitCode = int(v.code)
	}
}

// done reports whether the run did what it was for, also if it left something.
func (v *verdict) done() bool { return v.code == fault.OK || v.code == fault.Leftover.ExitCode() }

// invalid is the error of a run whose manifests are invalid, or nil.
func (v *verdict) invalid() *invalidError {
	var e *invalidError
	if errors.As(v.err, &e) {
		return e
	}
	return nil
}

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
	if invalid := v.invalid(); invalid != nil {
		r.Object, r.Problems = invalid.object, invalid.report.Problems
	}
	return r
}

// item is the document of the verdict, with its names.
func (v *verdict) item(now time.Time) (document any, names []string, err error) {
	switch {
	case v.plan != nil:
		data, err := v.plan.JSON()
		return json.RawMessage(data), objectName(v.plan.Object), err
	case v.started != nil:
		return v.started, []string{v.started.RunID}, nil
	}
	r := v.document(now)
	return r, objectName(r.Object), nil
}

// report is the JSON document of several objects, which docs/reference/report.md
// describes.
type report struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	ExitCode   fault.ExitCode `json:"exitCode"`
	// Items are Results, the start Event of a run that goes on by itself, or Plans; of
	// doctor the diagnoses, of status the sources' standings, of runs list the runs.
	Items []any `json:"items"`
}

// reportOf is the Report of the items.
func reportOf[T any](code fault.ExitCode, items []T) report {
	r := report{APIVersion: result.APIVersion, Kind: "Report", ExitCode: code, Items: []any{}}
	for i := range items {
		r.Items = append(r.Items, items[i])
	}
	return r
}

// reportVerdicts prints the verdicts, on stdout what came out and on stderr
// what went wrong, and returns the worst exit code.
func (f *Factory) reportVerdicts(output string, verdicts []verdict) error {
	codes := make([]fault.ExitCode, len(verdicts))
	for i := range verdicts {
		verdicts[i].settle()
		verdicts[i].named = len(verdicts) > 1
		codes[i] = verdicts[i].code
	}
	worst := fault.Worst(codes...)
	var err error
	if isDocument(output) {
		err = f.writeVerdictDocuments(output, verdicts, worst)
	} else {
		for i := range verdicts {
			err = errors.Join(err, writeVerdict(f.Streams.Out, &verdicts[i]))
		}
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	for i := range verdicts {
		f.reportFault(&verdicts[i])
	}
	if err := f.writeRunReports(verdicts, worst); err != nil {
		v := failedVerdict("", fmt.Errorf("write the reports: %w", err))
		f.reportFault(&v)
		worst = fault.Worst(worst, v.code)
	}
	return exitWith(worst)
}

// writeVerdictDocuments prints one document, or for several verdicts one Report.
func (f *Factory) writeVerdictDocuments(output string, verdicts []verdict, worst fault.ExitCode) error {
	r := reportOf[any](worst, nil)
	var names []string
	for i := range verdicts {
		document, own, err := verdicts[i].item(f.Now())
		if err != nil {
			return err
		}
		r.Items, names = append(r.Items, document), append(names, own...)
	}
	if len(r.Items) == 1 {
		return f.printDocument(output, r.Items[0], names)
	}
	return f.printDocument(output, r, names)
}

// writeVerdict prints one line for people.
func writeVerdict(w io.Writer, v *verdict) error {
	if v.plan != nil {
		return v.plan.WriteText(w)
	}
	line := ""
	if v.named {
		line = v.object + ": "
	}
	if v.started != nil {
		_, err := fmt.Fprintln(w, printable.Text(line+v.started.Message))
		return err
	}
	if v.result == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, printable.Text(line+v.summary()))
	return err
}

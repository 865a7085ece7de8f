package mover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// failure is the end of a run that was not a success, with the stable word for
// it.
type failure struct {
	reason string
	// stop is true when it describes the end of the run's context, final when it
	// was reached before that: then it stays the reason, whatever comes after.
	stop, final bool
	err         error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(reason string, err error) error { return &failure{reason: reason, err: err} }

// reasonOf returns the stable word of a failure, or "".
func reasonOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return ""
}

// reached makes the failure final when the run has not been told to end yet.
func reached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return final(err)
}

// final makes a failure one that no later cancel replaces; nil stays nil.
func final(err error) error {
	if err == nil {
		return nil
	}
	return &failure{reason: reasonOf(err), final: true, err: err}
}

func refused(reason string, err *fault.Error) error {
	err.Kind = fault.Refused
	return &failure{reason: reason, err: err}
}

// diagnosed is the failure that a kopia process told of.
func diagnosed(doing string, out kopiaexec.Output) error {
	if out.Signal != 0 {
		err := fault.New(fault.Failed, "%s: kopia was ended by the signal %s", doing, out.Signal)
		if out.Signal.String() == "killed" {
			err = err.WithHint("when the container was out of memory (OOMKilled), raise spec.kopia.moverResources.limits.memory")
		}
		return failed("KopiaKilled", err)
	}
	diagnosis := kopiaexec.Diagnose(out.Log)
	return failed(string(diagnosis.Reason), diagnosis.Err(doing))
}

// howFailed says in a few words how a kopia process failed.
func howFailed(out kopiaexec.Output) string {
	if out.Signal != 0 {
		return "ended by the signal " + out.Signal.String()
	}
	return kopiaexec.Diagnose(out.Log).Text
}

// conclude writes the end of the run into the Result.
func (d *driver) conclude(ctx context.Context, err error) {
	d.endPhase()
	if err == nil {
		d.succeed()
		return
	}
	late := ""
	if ctx.Err() != nil {
		late, err = d.withStop(ctx, err)
	}
	kind := fault.KindOf(err)
	d.res.Outcome, d.res.ExitCode = result.OutcomeOf(kind), int(kind.ExitCode())
	d.res.Reason, d.res.Message = string(kind), d.log.redact(err.Error())
	if reason := reasonOf(err); reason != "" {
		d.res.Reason = reason
	}
	var e *fault.Error
	if errors.As(err, &e) {
		// A diagnosis knows neither the Secret's name nor whose run it is.
		d.res.Hint = spec.FieldsOf(d.task.Object.Kind, strings.ReplaceAll(d.log.redact(e.Hint), anySecret, d.secretName()))
		if e.Why != "" {
			d.res.Message += " (" + d.log.redact(e.Why) + ")"
		}
	}
	d.res.Message += late
}

// withStop is what to report of a run that was told to end. What ended it is what
// the reader must know first; what broke because of it is a consequence. A
// failure that was there before it stays the reason; late then tells of the rest.
func (d *driver) withStop(ctx context.Context, err error) (late string, why error) {
	var f *failure
	switch isFailure := errors.As(err, &f); {
	case isFailure && f.final:
		return "; " + stopOf(ctx, "").Error() + " after that", err
	case isFailure && f.stop:
		return "", err
	case d.task.Operation == result.OperationBackup:
		return "", stopOf(ctx, "; no snapshot was made")
	case d.task.Operation == result.OperationRestore:
		return "", stopOf(ctx, "; nothing was restored")
	case d.task.Operation == result.OperationMaintenance:
		return "", stopOf(ctx, "; no maintenance was begun")
	}
	return "", stopOf(ctx, "")
}

// stopOf describes the end of ctx. what is added to the message.
func stopOf(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &failure{reason: "TimedOut", stop: true, err: fault.New(fault.TimedOut, "the run timed out%s", what)}
	}
	kind := fault.KindOf(context.Cause(ctx))
	if kind != fault.Interrupt {
		kind = fault.Terminated
	}
	return &failure{reason: "Cancelled", stop: true, err: fault.New(kind, "%s%s", result.MessageCancelled, what)}
}

// raise makes a success with warnings say so, that of a source without changes
// too. A skipped one stays skipped: nothing was proved.
func (d *driver) raise() {
	if len(d.res.Warnings) > 0 && (d.res.Outcome == result.Succeeded || d.res.Outcome == result.Unchanged) {
		d.res.Outcome = result.SucceededWithWarnings
	}
}

// succeed fills in a good end; the Result's warnings show in the outcome, as
// result.Outcome says.
func (d *driver) succeed() {
	d.res.ExitCode = 0
	if d.res.Outcome == result.Unknown {
		d.res.Outcome = result.Succeeded
	}
	d.raise()
	if d.res.Message == "" {
		d.res.Message = fmt.Sprintf("%s of %s done", d.task.Operation, d.res.Identity)
	}
}

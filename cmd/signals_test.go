package cmd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

func TestTheFirstSignalCancelsAndTheSecondLeaves(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		signal os.Signal
		code   fault.ExitCode
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGHUP, 143}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		signals, done := make(chan os.Signal), make(chan struct{})
		left := make(chan fault.ExitCode, 1)
		over := make(chan struct{})
		go func() {
			defer close(over)
			obey(signals, done, cancel, func(code fault.ExitCode) { left <- code })
		}()
		signals <- row.signal
		<-ctx.Done()
		if code := fault.CodeOf(context.Cause(ctx)); code != row.code || len(left) > 0 {
			t.Errorf("%s: the first one's code is %d, left %d", row.signal, code, len(left))
		}
		signals <- syscall.SIGHUP // again, as when a terminal is closed
		second := row.signal
		if second == syscall.SIGHUP {
			second = syscall.SIGTERM
		}
		signals <- second
		if code := <-left; code != row.code {
			t.Errorf("%s: left with %d, want %d", row.signal, code, row.code)
		}
		<-over
	}
}

func TestLeavingNamesTheRunsThatRemain(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	f := NewFactory(genericiooptions.IOStreams{ErrOut: &stderr})
	ended := f.unfinished.begin("run-1", "one remains")
	f.unfinished.begin("run-2", "two remains")
	ended()
	f.Abandon()
	if said := stderr.String(); !strings.Contains(said, "run run-2") || !strings.Contains(said, "two remains") || strings.Contains(said, "run-1") {
		t.Errorf("it says:\n%s", said)
	}
}

// TestAConsequenceOfACancelHasItsKind: a request that was broken off says nothing
// but "context canceled".
func TestAConsequenceOfACancelHasItsKind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	broken := fault.New(fault.Failed, "ask the API server: %w", context.Canceled).WithHint("check --kubeconfig")
	if got := endedBy(ctx, broken); !errors.Is(got, broken) || fault.CodeOf(got) != 1 {
		t.Errorf("nothing was cancelled, and it is %v", got)
	}
	cancel(fault.New(fault.TimedOut, "the run took longer than 1s").WithHint("--timeout sets the limit"))
	got := endedBy(ctx, broken)
	var stderr bytes.Buffer
	fault.Report(&stderr, got)
	if want := "error: the run took longer than 1s: ask the API server: context canceled\n  fix: --timeout sets the limit\n"; stderr.String() != want || fault.CodeOf(got) != 6 {
		t.Errorf("%d\n%s", fault.CodeOf(got), stderr.String())
	}
	v := failedVerdict("ReplicationSource prod/app", broken).endedBy(ctx)
	if v.code != 6 {
		t.Errorf("the verdict's code is %d, want 6", v.code)
	}
	refused := fault.New(fault.Refused, "no")
	if got := endedBy(ctx, refused); fault.CodeOf(got) != 5 {
		t.Errorf("an error with a kind of its own became %v", got)
	}
	if got := endedBy(ctx, exitWith(3)); fault.CodeOf(got) == 6 {
		t.Errorf("what was reported already became %v", got)
	}
}

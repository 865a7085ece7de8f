package cmd

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// WithSignals returns a context that ends at the first SIGINT, SIGTERM or SIGHUP,
// with a fault of the matching kind as its cause: what was begun is then stopped and
// cleaned up. At the second signal leave is called, with the exit code; it must
// end the process.
func WithSignals(parent context.Context, leave func(fault.ExitCode)) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopping()...)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		obey(signals, done, cancel, leave)
	}()
	return ctx, sync.OnceFunc(func() {
		close(done)
		cancel(context.Canceled)
	})
}

// stopping are the signals that cancel a command. SIGHUP, which comes when the
// terminal or its connection is gone, is one unless it is ignored, as nohup has it.
func stopping() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// obey does what the signals say until done. A terminal that goes away says so more
// than once, the shell and the kernel each: only the first SIGHUP counts.
func obey(signals <-chan os.Signal, done <-chan struct{}, cancel context.CancelCauseFunc, leave func(fault.ExitCode)) {
	cancelled := false
	for {
		select {
		case s := <-signals:
			switch {
			case !cancelled:
				cancelled = true
				cancel(signalFault(s))
			case s != syscall.SIGHUP:
				leave(signalFault(s).Kind.ExitCode())
				return
			}
		case <-done:
			return
		}
	}
}

// signalFault names the signal that ended a run.
func signalFault(s os.Signal) *fault.Error {
	switch s {
	case syscall.SIGTERM:
		return fault.New(fault.Terminated, "cancelled by SIGTERM")
	case syscall.SIGHUP:
		return fault.New(fault.Terminated, "cancelled by SIGHUP: the terminal or its connection is gone")
	}
	return fault.New(fault.Interrupt, "cancelled by SIGINT")
}

// unfinished are the runs of this process, each with what becomes of it when the
// process is gone.
type unfinished struct {
	mu   sync.Mutex
	runs map[string]string
}

// begin notes a run; the function that it returns takes it off again.
func (u *unfinished) begin(run, remains string) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.runs == nil {
		u.runs = map[string]string{}
	}
	u.runs[run] = remains
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.runs, run)
	}
}

// Abandon says what remains when the process leaves now. It waits for nothing.
func (f *Factory) Abandon() {
	f.unfinished.mu.Lock()
	defer f.unfinished.mu.Unlock()
	if !f.events() {
		fmt.Fprintln(f.Streams.ErrOut) // a live line may stand there
	}
	f.note("Left at the second signal; nothing more is cleaned up.")
	for _, id := range slices.Sorted(maps.Keys(f.unfinished.runs)) {
		f.note("  left: run %s\n   fix: %s", id, f.unfinished.runs[id])
	}
}

package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// WithSignals returns a context that ends at the first SIGINT or SIGTERM, with
// a fault of the matching kind as its cause. The second signal has its default
// effect: the process ends at once.
func WithSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			cancel(signalFault(s))
		case <-ctx.Done():
		}
		signal.Stop(signals)
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// signalFault names the signal that ended a run.
func signalFault(s os.Signal) *fault.Error {
	if s == syscall.SIGTERM {
		return fault.New(fault.Terminated, "cancelled by SIGTERM")
	}
	return fault.New(fault.Interrupt, "cancelled by SIGINT")
}

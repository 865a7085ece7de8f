// Command kubectl-volsync_kopia is the kubectl plugin "kubectl volsync-kopia":
// it runs the Kopia backups that VolSync manifests describe, without a resident
// controller.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/cmd"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

func main() {
	// A run outlives the reader of its output: a write to a closed pipe is an error
	// then and not the end of the process. Notified and not ignored, so that no
	// child inherits it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	f := cmd.NewFactory(streams)
	ctx, stop := cmd.WithSignals(context.Background(), func(code fault.ExitCode) {
		f.Abandon()
		os.Exit(int(code))
	})
	code := cmd.Main(ctx, f, os.Args[1:])
	stop()
	os.Exit(int(code))
}

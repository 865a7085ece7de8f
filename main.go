// Command kubectl-volsync_kopia is the kubectl plugin "kubectl volsync-kopia":
// it runs the Kopia backups that VolSync manifests describe, without a resident
// controller.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
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
	code := cmd.Main(ctx, f, arguments(os.Args))
	stop()
	os.Exit(int(code))
}

// completionHelper is the name under which kubectl asks a plugin what could come
// next on the command line; a link of that name to this program answers.
const completionHelper = "kubectl_complete-volsync_kopia"

func arguments(argv []string) []string {
	if strings.TrimSuffix(filepath.Base(argv[0]), ".exe") == completionHelper {
		return append([]string{"__complete"}, argv[1:]...)
	}
	return argv[1:]
}

// Command kubectl-volsync_kopia is the kubectl plugin "kubectl volsync-kopia":
// it runs the Kopia backups that VolSync manifests describe, without a resident
// controller.
package main

import (
	"context"
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/cmd"
)

func main() {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	ctx, stop := cmd.WithSignals(context.Background())
	code := cmd.Main(ctx, cmd.NewFactory(streams), os.Args[1:])
	stop()
	os.Exit(int(code))
}

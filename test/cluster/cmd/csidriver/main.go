// Command csidriver is the storage of the test cluster; see package csidriver.
// It needs root, and the mount namespace of the kubelet.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "csidriver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log io.Writer) error {
	opts := csidriver.Options{
		Now:      time.Now,
		Log:      slog.New(slog.NewTextHandler(log, nil)),
		Topology: map[string]string{},
	}
	flags := flag.NewFlagSet("csidriver", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&opts.Endpoint, "endpoint", "", "CSI `socket`, as unix:///run/csi.sock")
	flags.StringVar(&opts.NodeID, "node-id", "", "`name` of this node")
	flags.StringVar(&opts.DataDir, "data-dir", "", "`directory` of the volumes, the snapshots and faults.json")
	flags.StringVar(&opts.Name, "driver-name", csidriver.DefaultName, "`name` of the driver")
	flags.StringVar(&opts.PluginsRegistry, "plugins-registry", "", "the kubelet's plugins_registry `directory`, to register there")
	flags.Func("topology", "`KEY=VALUE` that says where the node is; may be repeated", func(s string) error {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" || value == "" {
			return errors.New("want KEY=VALUE")
		}
		opts.Topology[key] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	d, err := csidriver.New(opts)
	if err != nil {
		return err
	}
	return d.Serve(ctx)
}

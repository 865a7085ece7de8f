// Command testcluster starts and stops a real Kubernetes on this machine, for tests and for trying things out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: testcluster COMMAND [FLAGS]

  tools    build the programs of the cluster into the cache
  up       start a cluster; the last line of output is the path of its kubeconfig
  run      up, then down when standard input ends or a signal comes
  down     stop a cluster and remove its folder
  status   list a cluster's daemons; exit code 1 if one is not running
  import   add images to a running cluster
  image    write an image archive from files

testcluster COMMAND -h lists the flags.
`

// streams are the process's own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "testcluster:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func dispatch(ctx context.Context, args []string, s streams) error {
	commands := map[string]func(context.Context, []string, streams) error{
		"tools": buildTools, "up": up, "run": run, "down": down, "status": status, "import": importImages, "image": writeImage,
	}
	if len(args) == 0 {
		return errUsage
	}
	command, ok := commands[args[0]]
	if !ok {
		return errUsage
	}
	return command(ctx, args[1:], s)
}

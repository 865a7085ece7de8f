package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// place is where a cluster's folder is.
type place struct {
	apiServerOnly bool
	state         string
}

func newFlags(name string, p *place, s streams) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(s.err)
	flags.BoolVar(&p.apiServerOnly, "apiserver-only", false, "etcd and the API server, without a node; needs no root")
	flags.StringVar(&p.state, "state", "", "`directory` of the cluster; by default in the user's cache folder, one for each kind")
	return flags
}

func (p place) dir() (string, error) {
	if p.state != "" {
		return p.state, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	kind := "node"
	if p.apiServerOnly {
		kind = "apiserver"
	}
	return filepath.Join(cache, "kubectl-volsync-kopia", kind), nil
}

// start parses the flags of up and run, and does what up does.
func start(ctx context.Context, name string, args []string, s streams) (*node.Cluster, error) {
	var p place
	o := node.Options{Progress: s.err}
	flags := newFlags(name, &p, s)
	flags.Func("image", "`archive` to import; may be repeated", func(path string) error {
		o.Images = append(o.Images, path)
		return nil
	})
	flags.Func("controllers", "`names` of controllers to run beside a lone API server, separated by commas", func(names string) error {
		o.Controllers = strings.Split(names, ",")
		return nil
	})
	if err := parse(flags, args, 0); err != nil {
		return nil, err
	}
	var err error
	if o.Dir, err = p.dir(); err != nil {
		return nil, err
	}
	if o.Tools, err = toolchain.Open(); err != nil {
		return nil, err
	}
	o.APIServerOnly = p.apiServerOnly
	if err := node.Check(o); err != nil {
		return nil, err
	}
	needed := toolchain.All()
	if p.apiServerOnly {
		needed = toolchain.ControlPlane()
	}
	if err := o.Tools.Ensure(ctx, toolchain.Options{Progress: s.err}, needed...); err != nil {
		return nil, err
	}
	return node.Up(ctx, o)
}

func up(ctx context.Context, args []string, s streams) error {
	c, err := start(ctx, "up", args, s)
	if err == nil {
		fmt.Fprintln(s.out, c.Kubeconfig())
	}
	return err
}

// run ties the cluster's life to the caller's: standard input ends with the caller, however that ends.
func run(ctx context.Context, args []string, s streams) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, s.in)
		cancel()
	}()
	c, err := start(ctx, "run", args, s)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, c.Kubeconfig())
	<-ctx.Done()
	return c.Down(context.WithoutCancel(ctx))
}

func down(ctx context.Context, args []string, s streams) error {
	var p place
	flags := newFlags("down", &p, s)
	keep := flags.Bool("keep-state", false, "leave the folder, for its logs; the next up removes it")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	c, err := find(p)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(s.err, "no cluster is recorded")
		return nil
	} else if err != nil {
		return err
	}
	if *keep {
		return c.Stop(ctx)
	}
	return c.Down(ctx)
}

func find(p place) (*node.Cluster, error) {
	dir, err := p.dir()
	if err != nil {
		return nil, err
	}
	return node.Load(dir)
}

func status(_ context.Context, args []string, s streams) error {
	var p place
	if err := parse(newFlags("status", &p, s), args, 0); err != nil {
		return err
	}
	c, err := find(p)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("no cluster is recorded")
	} else if err != nil {
		return err
	}
	daemons, err := c.Daemons()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	var ended []string
	for _, d := range daemons {
		state := "running"
		if !d.Alive {
			state = "ended"
			ended = append(ended, d.Name)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\n", d.Name, state, d.PID)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.out, c.Kubeconfig())
	switch {
	case len(daemons) == 0:
		return errors.New("the cluster was stopped")
	case len(ended) > 0:
		return fmt.Errorf("ended by themselves: %s; the logs are in %s", strings.Join(ended, ", "), c.Logs())
	}
	return nil
}

// parse refuses arguments beyond the first most; -1 is any number.
func parse(flags *flag.FlagSet, args []string, most int) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if most >= 0 && flags.NArg() > most {
		return fmt.Errorf("unexpected argument %q", flags.Arg(most))
	}
	return nil
}

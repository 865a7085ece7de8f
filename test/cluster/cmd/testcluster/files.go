package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/image"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

func buildTools(ctx context.Context, args []string, s streams) error {
	flags := flag.NewFlagSet("tools", flag.ContinueOnError)
	flags.SetOutput(s.err)
	controlPlane := flags.Bool("apiserver-only", false, "only what a lone API server needs")
	parallel := flags.Int("p", 0, "compilers at a time; by default one for each core")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	tools, err := toolchain.Open()
	if err != nil {
		return err
	}
	names := toolchain.All()
	if *controlPlane {
		names = toolchain.ControlPlane()
	}
	return tools.Ensure(ctx, toolchain.Options{Progress: s.err, Parallel: *parallel}, names...)
}

func importImages(ctx context.Context, args []string, s streams) error {
	var p place
	flags := newFlags("import", &p, s)
	if err := parse(flags, args, -1); err != nil {
		return err
	}
	archives := flags.Args()
	for i, archive := range archives {
		var err error
		if archives[i], err = filepath.Abs(archive); err != nil {
			return err
		}
	}
	c, err := find(p)
	if err != nil {
		return err
	}
	return c.Import(ctx, archives...)
}

func writeImage(_ context.Context, args []string, s streams) error {
	spec := image.Spec{Files: map[string]string{}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(s.err)
	flags.Usage = func() {
		fmt.Fprintln(s.err, "usage: testcluster image -o FILE -t NAME:TAG [FLAGS] [PATH_IN_IMAGE=FILE]...")
		flags.PrintDefaults()
	}
	out := flags.String("o", "", "archive to write")
	flags.StringVar(&spec.Name, "t", "", "name and tag of the image")
	busybox := flags.Bool("busybox", false, "add this machine's static busybox with a link for each applet")
	flags.Func("e", "`KEY=VALUE` of the environment; may be repeated", func(v string) error {
		spec.Env = append(spec.Env, v)
		return nil
	})
	flags.Func("c", "`argument` of the entrypoint; may be repeated", func(v string) error {
		spec.Entrypoint = append(spec.Entrypoint, v)
		return nil
	})
	if err := parse(flags, args, -1); err != nil {
		return err
	}
	if *out == "" || spec.Name == "" {
		return errors.New("image needs -o and -t")
	}
	for _, argument := range flags.Args() {
		target, source, ok := strings.Cut(argument, "=")
		if !ok || !strings.HasPrefix(target, "/") {
			return fmt.Errorf("%q is not /PATH_IN_IMAGE=FILE", argument)
		}
		spec.Files[target] = source
	}
	if *busybox {
		var err error
		if spec.Busybox, err = image.FindBusybox(); err != nil {
			return err
		}
	}
	return image.WriteFile(*out, spec)
}

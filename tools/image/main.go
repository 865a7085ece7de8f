// Command image writes the mover image as an archive that ctr, docker, podman
// and skopeo load, from this program, kopia and packages of the Debian that it
// runs on. It needs no container engine and no registry. The same packages and
// programs give the same bytes; the last line it prints is the image's digest.
//
//	image -out dist/mover-image.tar -name REFERENCE [-rootfs FILE]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// options are what was typed.
type options struct {
	out, rootfs   string
	name, version string
	plugin, kopia string
	licence       string
	cache         string
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "", "archive `file` to write")
	flag.StringVar(&o.rootfs, "rootfs", "", "tar `file` to write with the image's files alone, for a Dockerfile")
	flag.StringVar(&o.name, "name", "volsync-kopia.test/mover:dev", "`reference` under which the archive is loaded")
	flag.StringVar(&o.version, "version", "0.0.0-dev", "`version` in the image's labels")
	flag.StringVar(&o.plugin, "plugin", "bin/kubectl-volsync_kopia", "this program, a static `file`")
	flag.StringVar(&o.kopia, "kopia", "bin/kopia", "kopia, a static `file`")
	flag.StringVar(&o.licence, "licence", "LICENSE", "licence `file` of both programs")
	flag.StringVar(&o.cache, "cache", "dist/debian", "`directory` that keeps downloaded packages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, stdout io.Writer) error {
	if o.out == "" && o.rootfs == "" {
		return errors.New("nothing to write: give -out or -rootfs")
	}
	layers, err := assemble(ctx, o, stdout)
	if err != nil {
		return err
	}
	if o.rootfs != "" {
		var files bytes.Buffer
		if err := union(layers).write(&files); err != nil {
			return err
		}
		if err := writeFile(o.rootfs, files.Bytes()); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	archive, digest, err := pack(o.name, settings(runtime.GOARCH, o.version), layers)
	if err != nil {
		return err
	}
	if err := writeFile(o.out, archive); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s %s\n%s\n", o.out, o.name, digest)
	return err
}

// assemble makes the image's layers: the packages, which change seldom, then
// kopia, then this program, which changes with every build.
func assemble(ctx context.Context, o options, progress io.Writer) ([]tree, error) {
	base, err := debian(ctx, o.cache, progress)
	if err != nil {
		return nil, err
	}
	kopia, plugin := tree{}, tree{}
	for _, p := range []struct {
		layer    tree
		from, to string
		mode     int64
	}{
		{kopia, o.kopia, "usr/local/bin/kopia", 0o755},
		{plugin, o.plugin, "usr/local/bin/kubectl-volsync_kopia", 0o755},
		{plugin, o.licence, "usr/share/doc/kubectl-volsync-kopia/LICENSE", 0o644},
	} {
		data, err := os.ReadFile(p.from)
		if err != nil {
			return nil, err
		}
		p.layer.file(p.to, p.mode, data)
	}
	layers := []tree{base, kopia, plugin}
	return layers, complete(union(layers), runtime.GOARCH)
}

// writeFile replaces a file by a whole one.
func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name+".part", data, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}

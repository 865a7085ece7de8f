// Command dist builds the archives of a release as .goreleaser.yaml says, without
// goreleaser, and their checksums:
//
//	go run ./tools/dist -version 1.2.3 -time 1780000000 -out dist
//
// What it writes depends on the commit, the version, the image and the Go release
// alone: the same twice gives the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	version := flag.String("version", "", "version of the release, without its v")
	image := flag.String("mover-image", "", "image of the release's mover, with its digest")
	seconds := flag.Int64("time", 0, "time of the commit, in seconds since 1970")
	out := flag.String("out", "dist", "directory for the archives")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, release{Version: *version, Env: map[string]string{"MOVER_IMAGE": *image}}, time.Unix(*seconds, 0).UTC(), *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, r release, at time.Time, out string) error {
	if r.Version == "" {
		return errors.New("-version is missing")
	}
	text, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		return err
	}
	c, err := parse(text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	sums := map[string]string{}
	for _, t := range c.targets() {
		name, err := c.archive(r, t)
		if err != nil {
			return err
		}
		fmt.Println(filepath.Join(out, name))
		binary, err := build(ctx, c, r, t, work)
		if err != nil {
			return err
		}
		entries, err := contents(c, t, binary)
		if err != nil {
			return err
		}
		data, err := pack(entries, at)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
		sums[name] = digest(data)
	}
	return os.WriteFile(filepath.Join(out, c.Checksum.Name), checksums(sums), 0o644)
}

// build compiles the plugin for the target, and returns where it is.
func build(ctx context.Context, c configuration, r release, t target, work string) (string, error) {
	flags, err := c.flags(r)
	if err != nil {
		return "", err
	}
	path := filepath.Join(work, t.os+"_"+t.arch)
	command := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", path, c.Builds[0].Main)...)
	command.Env = append(os.Environ(), append(c.Builds[0].Env, "GOOS="+t.os, "GOARCH="+t.arch)...)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("build for %s/%s: %w", t.os, t.arch, err)
	}
	return path, nil
}

// contents are the entries of the target's archive, in the order of their names.
func contents(c configuration, t target, binary string) ([]entry, error) {
	entries := []entry{}
	for _, name := range c.Archives[0].Files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name: name, mode: 0o644, data: data})
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	return append(entries, entry{name: c.binary(t), mode: 0o755, data: data}), nil
}

package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options tell how to build.
type Options struct {
	// Progress gets a line before and after each build.
	Progress io.Writer
	// Parallel bounds the compilers at a time; 0 leaves it to Go.
	Parallel int
}

// Ensure builds the named tools that are not in the cache. Two processes that want the same tool build it once.
func (c Cache) Ensure(ctx context.Context, o Options, names ...string) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		t, err := find(name)
		if err != nil {
			return err
		}
		if err := c.ensure(ctx, o, t); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

func (c Cache) ensure(ctx context.Context, o Options, t tool) error {
	final, err := c.folder(t)
	if err != nil || exists(final) {
		return err
	}
	unlock, err := lock(filepath.Join(c.Dir, t.name+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if exists(final) { // the process that held the lock built it
		return nil
	}
	part := final + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	start := time.Now()
	if t.copy != "" {
		err = c.copyModule(ctx, t, part)
	} else {
		fmt.Fprintf(o.Progress, "building %s (about %s the first time)\n", filepath.Base(final), t.usual)
		err = c.build(ctx, o, t, part)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	fmt.Fprintf(o.Progress, "%s ready after %s\n", filepath.Base(final), time.Since(start).Round(time.Second/10))
	return os.Rename(part, final)
}

func (c Cache) build(ctx context.Context, o Options, t tool, into string) error {
	if t.cgo && exec.CommandContext(ctx, "pkg-config", "--exists", "libseccomp").Run() != nil {
		return errors.New("libseccomp is missing; on Debian: apt-get install gcc pkg-config libseccomp-dev")
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	version, err := c.version(t)
	if err != nil {
		return err
	}
	output := into + "/" // go build writes every program into a folder
	if t.output != "" {
		output += t.output
	}
	args := []string{
		"build", "-mod=readonly", "-trimpath", "-tags", t.tags,
		"-ldflags", strings.ReplaceAll("-s -w "+t.ldflags, "$VERSION", "v"+version),
		"-o", output,
	}
	if o.Parallel > 0 {
		args = append(args, "-p", strconv.Itoa(o.Parallel))
	}
	_, err = c.goCommand(ctx, filepath.Join(c.Source, "tools", t.dir), t.cgo, append(args, t.packages...)...)
	return err
}

// copyModule copies a folder of a pinned module, as it is in the module cache.
func (c Cache) copyModule(ctx context.Context, t tool, into string) error {
	dir := filepath.Join(c.Source, "tools", t.dir)
	if _, err := c.goCommand(ctx, dir, false, "mod", "download", t.module); err != nil {
		return err
	}
	out, err := c.goCommand(ctx, dir, false, "list", "-m", "-f", "{{.Dir}}", t.module)
	if err != nil {
		return err
	}
	return os.CopyFS(into, os.DirFS(filepath.Join(strings.TrimSpace(out), t.copy)))
}

// BuildOwn builds main packages of this module into a folder. They are small and change with the work tree, so that
// Go's own cache serves them.
func (c Cache) BuildOwn(ctx context.Context, into string, packages ...string) error {
	_, err := c.goCommand(ctx, c.Source, false, append([]string{"build", "-trimpath", "-o", into + "/"}, packages...)...)
	return err
}

func (c Cache) goCommand(ctx context.Context, dir string, cgo bool, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// lock waits for an advisory lock on a file, which the kernel releases with the process.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

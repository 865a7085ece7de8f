package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// stdinArgument is the path that stands for standard input, and stdinName how
// it is shown.
const (
	stdinArgument = "-"
	stdinName     = "<stdin>"
)

// inputFlags say where manifests come from.
type inputFlags struct {
	files     []string
	recursive bool
	kustomize []string
}

func (i *inputFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&i.files, "filename", "f", nil, "file, directory, URL or - for standard input; may be repeated")
	flags.BoolVarP(&i.recursive, "recursive", "R", false, "process directories recursively")
	flags.StringArrayVarP(&i.kustomize, "kustomize", "k", nil, "directory with a kustomization, which is built; may be repeated")
}

func (i *inputFlags) empty() bool { return len(i.files) == 0 && len(i.kustomize) == 0 }

// ReadInputs reads what -f and -k name, one file at a time, so that any number
// of files fits into memory: a file, a directory (its *.yaml, *.yml and *.json
// in order of name, with -R those below it too), a URL, "-" for standard input,
// or what a kustomization builds. What several paths lead to is read once. The
// sequence ends at the first that cannot be read, with a fault of the kind Usage.
func (f *Factory) ReadInputs(ctx context.Context, from inputFlags) iter.Seq2[spec.Input, error] {
	r := &inputReader{factory: f, recursive: from.recursive, seen: map[string]bool{}}
	return func(yield func(spec.Input, error) bool) {
		if from.empty() {
			yield(spec.Input{}, fault.New(fault.Usage, "no input is given").
				WithHint("name a file, a directory, a URL or - with -f, or a kustomization with -k"))
			return
		}
		for _, path := range from.files {
			if !r.path(ctx, path, yield) {
				return
			}
		}
		for _, dir := range from.kustomize {
			if !r.kustomization(dir, yield) {
				return
			}
		}
	}
}

// inputReader walks the paths of one command line. Its methods return false
// when the sequence is over.
type inputReader struct {
	factory   *Factory
	recursive bool
	seen      map[string]bool
}

type yieldInput func(spec.Input, error) bool

func (r *inputReader) path(ctx context.Context, path string, yield yieldInput) bool {
	switch {
	case path == stdinArgument:
		return r.standardInput(ctx, yield)
	case strings.Contains(path, "://"):
		return r.url(ctx, path, yield)
	}
	info, err := os.Stat(path)
	if err != nil {
		return stop(yield, unreadable(path, err))
	}
	if !info.IsDir() {
		return r.file(ctx, path, yield)
	}
	return r.directory(ctx, path, yield)
}

func (r *inputReader) standardInput(ctx context.Context, yield yieldInput) bool {
	if !r.first(stdinArgument) {
		return true
	}
	data, err := readBounded(ctx, func() (io.ReadCloser, error) { return io.NopCloser(r.factory.Streams.In), nil })
	if err != nil {
		return stop(yield, unreadableUnlessEnded(ctx, stdinName, err))
	}
	return yield(spec.Input{Name: stdinName, Data: data}, nil)
}

func (r *inputReader) directory(ctx context.Context, root string, yield yieldInput) bool {
	found, more := false, true
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			more = false
			return err
		case entry.IsDir() && path != root && !r.recursive:
			return fs.SkipDir
		case entry.IsDir() || !isManifest(path):
			return nil
		}
		found = true
		if more = r.file(ctx, path, yield); !more {
			return fs.SkipAll
		}
		return nil
	})
	switch {
	case err != nil:
		return stop(yield, unreadable(root, err))
	case !found:
		hint := "name the files, or use -R for the directories below it"
		if r.recursive {
			hint = "name the files"
		}
		return stop(yield, fault.New(fault.Usage, "-f %s: the directory has no *.yaml, *.yml or *.json", printable.Line(root)).WithHint(hint))
	}
	return more
}

func (r *inputReader) file(ctx context.Context, path string, yield yieldInput) bool {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return stop(yield, unreadable(path, err))
	}
	if !r.first(absolute) {
		return true
	}
	data, err := readBounded(ctx, func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		return stop(yield, unreadableUnlessEnded(ctx, path, err))
	}
	return yield(spec.Input{Name: filepath.ToSlash(path), Data: data}, nil)
}

func (r *inputReader) first(name string) bool {
	if r.seen[name] {
		return false
	}
	r.seen[name] = true
	return true
}

// readBounded reads one byte more than spec takes, so that spec reports a file
// that is too large, and an endless one ends. It waits no longer than ctx: to open
// a fifo and to read a pipe may each last until somebody writes, and neither can be
// broken off, so that the goroutine stays behind in a process that is about to end.
func readBounded(ctx context.Context, open func() (io.ReadCloser, error)) ([]byte, error) {
	type content struct {
		data []byte
		err  error
	}
	read := make(chan content, 1)
	go func() {
		from, err := open()
		if err != nil {
			read <- content{err: err}
			return
		}
		data, err := io.ReadAll(io.LimitReader(from, spec.MaxInputSize+1))
		read <- content{data, errors.Join(err, from.Close())}
	}()
	select {
	case c := <-read:
		return c.data, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// unreadableUnlessEnded leaves it to the cause to say what ended the reading.
func unreadableUnlessEnded(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return unreadable(path, err)
}

func isManifest(path string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path)))
}

func stop(yield yieldInput, err error) bool {
	yield(spec.Input{}, err)
	return false
}

func unreadable(path string, err error) error {
	return fault.New(fault.Usage, "-f %w", plainPath(path, err)).WithHint(readHint(err))
}

// readHint says what to do about a file that cannot be read.
func readHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; a relative one starts at the current directory"
	case errors.Is(err, fs.ErrPermission):
		return "make it readable for this user, or give another file"
	}
	return "give a file that can be read"
}

// plainPath names the path once and in one line, without the system call that failed on it.
func plainPath(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		path, err = at.Path, at.Err
	}
	return fmt.Errorf("%s: %w", printable.Line(path), err)
}

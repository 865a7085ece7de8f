package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// stdinArgument is the path that stands for standard input, and stdinName how
// it is shown.
const (
	stdinArgument = "-"
	stdinName     = "<stdin>"
)

// ReadInputs reads the paths of -f one file at a time, so that any number of
// files fits into memory: a file, a directory (its *.yaml, *.yml and *.json in
// order of name, with recursive those below it too), or "-" for standard input.
// A file that several paths lead to is read once. The sequence ends at the
// first path that cannot be read, with a fault of the kind Usage.
func (f *Factory) ReadInputs(paths []string, recursive bool) iter.Seq2[spec.Input, error] {
	r := &inputReader{stdin: f.Streams.In, recursive: recursive, seen: map[string]bool{}}
	return func(yield func(spec.Input, error) bool) {
		if len(paths) == 0 {
			yield(spec.Input{}, fault.New(fault.Usage, "no input is given").WithHint("name a file, a directory or - with -f"))
			return
		}
		for _, path := range paths {
			if !r.path(path, yield) {
				return
			}
		}
	}
}

// inputReader walks the paths of one command line. Its methods return false
// when the sequence is over.
type inputReader struct {
	stdin     io.Reader
	recursive bool
	seen      map[string]bool
}

type yieldInput func(spec.Input, error) bool

func (r *inputReader) path(path string, yield yieldInput) bool {
	switch {
	case path == stdinArgument:
		return r.standardInput(yield)
	case strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://"):
		return stop(yield, fault.New(fault.Usage, "-f %s: a URL cannot be read yet", path).WithHint("fetch it first: curl -fsS URL | kubectl volsync-kopia ... -f -"))
	}
	info, err := os.Stat(path)
	if err != nil {
		return stop(yield, unreadable(path, err))
	}
	if !info.IsDir() {
		return r.file(path, yield)
	}
	return r.directory(path, yield)
}

func (r *inputReader) standardInput(yield yieldInput) bool {
	if !r.first(stdinArgument) {
		return true
	}
	data, err := readBounded(r.stdin)
	if err != nil {
		return stop(yield, unreadable(stdinName, err))
	}
	return yield(spec.Input{Name: stdinName, Data: data}, nil)
}

func (r *inputReader) directory(root string, yield yieldInput) bool {
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
		if more = r.file(path, yield); !more {
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
		return stop(yield, fault.New(fault.Usage, "-f %s: the directory has no *.yaml, *.yml or *.json", root).WithHint(hint))
	}
	return more
}

func (r *inputReader) file(path string, yield yieldInput) bool {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return stop(yield, unreadable(path, err))
	}
	if !r.first(absolute) {
		return true
	}
	file, err := os.Open(path)
	if err != nil {
		return stop(yield, unreadable(path, err))
	}
	data, err := readBounded(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return stop(yield, unreadable(path, err))
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
// that is too large, and an endless one ends.
func readBounded(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, spec.MaxInputSize+1))
}

func isManifest(path string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path)))
}

func stop(yield yieldInput, err error) bool {
	yield(spec.Input{}, err)
	return false
}

func unreadable(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = fmt.Errorf("%s: %w", at.Path, at.Err)
	} else {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return fault.New(fault.Usage, "-f %w", err)
}

// Command flagtables writes down what real kopia programs accept: one table of
// flags per version for the package that builds argument vectors, and one list
// of algorithm names per version for the package that resolves policies.
//
//	flagtables [-check] [-out DIR] [-names DIR] [-modules DIR] KOPIA...
//
// Everything is asked of the program itself: its help, its completion and its
// error messages. Flags that the help hides cannot be listed that way, so their
// names are taken from the source of the same version, found through the module
// that pins it (-modules), and every name is then tried on the program. With
// -check nothing is written and the exit status is 1 when a file is out of date.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

var errStale = errors.New("out of date; run make generate")

type options struct {
	check              bool
	out, names, module string
	kopias             []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var o options
	flag.BoolVar(&o.check, "check", false, "write nothing; exit 1 when a file is out of date")
	flag.StringVar(&o.out, "out", "internal/kopiaexec/argv/tables", "directory of the flag tables")
	flag.StringVar(&o.names, "names", "internal/kopiaexec/policy/names", "directory of the algorithm names")
	flag.StringVar(&o.module, "modules", "tools/kopia", "directory with one pinning module per kopia version")
	flag.Parse()
	o.kopias = flag.Args()
	err := run(ctx, o, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "flagtables:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, log io.Writer) error {
	if len(o.kopias) == 0 {
		return errors.New("name at least one kopia program")
	}
	var stale []error
	for _, program := range o.kopias {
		files, err := describe(ctx, program, o)
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		for _, f := range files {
			fmt.Fprintln(log, f.path)
			if err := f.put(o.check); errors.Is(err, errStale) {
				stale = append(stale, err)
			} else if err != nil {
				return err
			}
		}
	}
	return errors.Join(stale...)
}

// describe asks one program and returns the files that describe it.
func describe(ctx context.Context, program string, o options) ([]file, error) {
	k, err := newKopia(ctx, program)
	if err != nil {
		return nil, err
	}
	defer k.close()
	hidden, err := hiddenNames(ctx, filepath.Join(o.module, k.version))
	if err != nil {
		return nil, err
	}
	table, err := k.table(ctx, hidden)
	if err != nil {
		return nil, err
	}
	names, err := namesOf(table)
	if err != nil {
		return nil, err
	}
	name := k.version + ".json"
	return []file{{filepath.Join(o.out, name), table}, {filepath.Join(o.names, name), names}}, nil
}

// file is a JSON file to be written or compared.
type file struct {
	path    string
	content any
}

func (f file) put(check bool) error {
	want, err := json.MarshalIndent(f.content, "", "  ")
	if err != nil {
		return err
	}
	want = append(want, '\n')
	if !check {
		return os.WriteFile(f.path, want, 0o644)
	}
	have, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%s: %w", f.path, errStale)
	}
	return nil
}

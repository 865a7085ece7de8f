// Command docs writes docs/reference from the code that the pages describe, so
// that a promise and its keeping cannot drift apart.
//
//	docs -out docs/reference [-check]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// page is one generated file.
type page struct {
	name string
	make func() ([]byte, error)
}

func pages() []page {
	return []page{
		{"exit-codes.md", exitCodes},
		{"findings.md", findings},
		{"events.md", events},
		{"result.md", results},
	}
}

func main() {
	out := flag.String("out", "docs/reference", "directory of the pages")
	check := flag.Bool("check", false, "write nothing; fail when a page is out of date")
	flag.Parse()
	if err := run(*out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(out string, check bool) error {
	for _, p := range pages() {
		text, err := p.make()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		name := filepath.Join(out, p.name)
		if !check {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				return err
			}
			continue
		}
		if old, err := os.ReadFile(name); err != nil || !bytes.Equal(old, text) {
			return fmt.Errorf("%s is out of date; run make docs", name)
		}
	}
	return orphans(out, check)
}

// orphans removes the generated pages that no longer are; with check it only
// says so.
func orphans(out string, check bool) error {
	names, err := filepath.Glob(filepath.Join(out, "*.md"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(pages(), func(p page) bool { return p.name == filepath.Base(name) }) {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch {
		case !bytes.Contains(text, []byte(generated)): // written by a person
		case check:
			return fmt.Errorf("%s is not generated any more; run make docs", name)
		default:
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

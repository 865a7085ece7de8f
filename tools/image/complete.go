package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// complete checks that every program and library in the image finds what it is
// linked with there, and is for the architecture. A package that a new Debian
// splits would otherwise show only when the program runs.
func complete(t tree, arch string) error {
	machine, ok := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if !ok {
		return fmt.Errorf("no image for the architecture %s", arch)
	}
	libraries := map[string]bool{}
	for name := range t {
		if strings.HasPrefix(name, "usr/lib/") {
			libraries[path.Base(name)] = true
		}
	}
	var missing []error
	for _, name := range t.names() {
		n := t[name]
		if n.kind != tar.TypeReg || !bytes.HasPrefix(n.data, []byte(elf.ELFMAG)) {
			continue
		}
		l, err := readLinks(n.data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if l.machine != machine {
			missing = append(missing, fmt.Errorf("%s is for %s, the image for %s", name, l.machine, arch))
		}
		for _, need := range l.libraries {
			if !libraries[need] {
				missing = append(missing, fmt.Errorf("%s needs %s, which no package brings", name, need))
			}
		}
		if _, ok := t[canonical(l.loader)]; l.loader != "" && !ok {
			missing = append(missing, fmt.Errorf("%s needs the loader %s, which no package brings", name, l.loader))
		}
	}
	return errors.Join(missing...)
}

// links are what an ELF file needs to run.
type links struct {
	machine   elf.Machine
	libraries []string
	loader    string // absolute; empty for a library or a static program
}

func readLinks(data []byte) (links, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return links{}, err
	}
	l := links{machine: f.Machine}
	if l.libraries, err = f.ImportedLibraries(); err != nil {
		return links{}, err
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		loader, err := io.ReadAll(p.Open())
		if err != nil {
			return links{}, err
		}
		l.loader = string(bytes.TrimRight(loader, "\x00"))
	}
	return l, nil
}

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// tree is a file system in the making, by path without a leading slash.
// Everything in it belongs to root and has no time, so that it does not depend
// on when and by whom it is made.
type tree map[string]node

// node is a directory, a regular file or a symbolic link.
type node struct {
	kind   byte // of package tar
	mode   int64
	target string
	data   []byte
}

// dir adds a directory; one that is there keeps its mode.
func (t tree) dir(name string, mode int64) {
	if _, ok := t[name]; ok || name == "." {
		return
	}
	t.dir(path.Dir(name), 0o755)
	t[name] = node{kind: tar.TypeDir, mode: mode}
}

func (t tree) file(name string, mode int64, data []byte) {
	t.dir(path.Dir(name), 0o755)
	t[name] = node{kind: tar.TypeReg, mode: mode, data: data}
}

func (t tree) link(name, target string) {
	t.dir(path.Dir(name), 0o755)
	t[name] = node{kind: tar.TypeSymlink, mode: 0o777, target: target}
}

func (t tree) names() []string { return slices.Sorted(maps.Keys(t)) }

// extract adds those files of a package that are kept. Their set-id bits are
// dropped: nothing in the image may become another user.
func (t tree) extract(r io.Reader, kept func(name string) bool) error {
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := canonical(h.Name)
		if h.Typeflag == tar.TypeDir || !kept(name) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			t.file(name, h.Mode&0o755, data)
		case tar.TypeSymlink:
			t.link(name, h.Linkname)
		case tar.TypeLink:
			first, ok := t[canonical(h.Linkname)]
			if !ok {
				return fmt.Errorf("%s is a link to %s, which is left out", name, h.Linkname)
			}
			t.dir(path.Dir(name), 0o755)
			t[name] = first
		default:
			return fmt.Errorf("%s is of type %q", name, h.Typeflag)
		}
	}
}

// canonical is a path where the merged /usr has it.
func canonical(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	switch first, _, _ := strings.Cut(name, "/"); first {
	case "bin", "lib", "lib64", "sbin":
		return "usr/" + name
	}
	return name
}

// union is what a container sees of layers.
func union(layers []tree) tree {
	all := tree{}
	for _, l := range layers {
		for name, n := range l {
			if _, ok := all[name]; ok && n.kind == tar.TypeDir {
				continue
			}
			all[name] = n
		}
	}
	return all
}

// write writes the tree as a tar, in order of names: parents come before what
// is in them.
func (t tree) write(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, name := range t.names() {
		n := t[name]
		if n.kind == tar.TypeDir {
			name += "/"
		}
		h := &tar.Header{
			Typeflag: n.kind, Name: name, Linkname: n.target, Mode: n.mode, Size: int64(len(n.data)), ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, bytes.NewReader(n.data)); err != nil {
			return err
		}
	}
	return out.Close()
}

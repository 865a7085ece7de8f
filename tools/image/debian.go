package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// debianPackage is one that the image takes files from.
type debianPackage struct {
	name string
	// only narrows what is kept to one directory; empty is no narrowing.
	only string
}

// packages are what the image is made of. The validator tells users which
// programs there are (imagePrograms in internal/validate): a test compares.
func packages() []debianPackage {
	return []debianPackage{
		{name: "base-files"},
		{name: "bash"},
		{name: "ca-certificates", only: "usr/share/ca-certificates/"},
		{name: "coreutils"},
		{name: "libacl1"},
		{name: "libattr1"},
		{name: "libc-bin", only: "usr/lib/locale/C.utf8/"},
		{name: "libc6"},
		{name: "libgmp10"},
		{name: "libpcre2-8-0"},
		{name: "libselinux1"},
		{name: "libtinfo6"},
	}
}

// kept tells which files of a package the image has: programs, libraries,
// licences and what the system is called.
func (p debianPackage) kept(name string) bool {
	switch {
	case strings.HasPrefix(name, "usr/share/doc/"):
		return path.Base(name) == "copyright"
	case p.only != "":
		return strings.HasPrefix(name, p.only)
	case strings.HasPrefix(name, "usr/lib/"), strings.HasPrefix(name, "usr/lib64/"):
		return !strings.Contains(name, "/gconv/")
	case slices.Contains([]string{"usr/bin/bashbug", "usr/bin/clear_console", "usr/bin/rbash", "usr/bin/md5sum.textutils"}, name):
		return false
	}
	return slices.Contains([]string{"etc/debian_version", "etc/os-release"}, name) ||
		slices.ContainsFunc([]string{"usr/bin/", "usr/sbin/", "usr/libexec/", "usr/share/common-licenses/"},
			func(dir string) bool { return strings.HasPrefix(name, dir) })
}

// debian is the layer of the packages and of the few files that their
// installation would have made.
func debian(ctx context.Context, cache string, progress io.Writer) (tree, error) {
	files, err := fetch(ctx, cache, packages())
	if err != nil {
		return nil, err
	}
	layer := skeleton()
	for i, p := range packages() {
		control, contents, err := unpack(ctx, files[i])
		if err != nil {
			return nil, err
		}
		if err := layer.extract(bytes.NewReader(contents), p.kept); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		// Where scanners look for the packages of an image without dpkg.
		layer.file("var/lib/dpkg/status.d/"+p.name, 0o644, control)
		fmt.Fprintln(progress, path.Base(files[i]))
	}
	return layer, layer.bundleCertificates()
}

// user is who the mover is unless the pod says otherwise: a number, since a
// kubelet that wants a non-root user cannot look a name up.
const user = 65532

// skeleton is what belongs to no package.
func skeleton() tree {
	t := tree{}
	for _, name := range []string{"dev", "etc", "home", "proc", "run", "sys", "usr/local/bin", "usr/sbin", "var/lib"} {
		t.dir(name, 0o755)
	}
	t.dir("root", 0o700)
	t.dir("tmp", 0o1777)
	t.dir("var/tmp", 0o1777)
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		t.link(name, "usr/"+name)
	}
	t.link("var/run", "/run")
	t.link("usr/bin/sh", "bash")
	t.file("etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/root:/bin/bash\nmover:x:%d:%d:mover:/tmp:/bin/bash\n", user, user))
	t.file("etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nmover:x:%d:\n", user))
	t.file("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n"))
	return t
}

// bundleCertificates puts the certificates of all authorities into the file
// where programs look for them.
func (t tree) bundleCertificates() error {
	var bundle bytes.Buffer
	for _, name := range t.names() {
		if strings.HasPrefix(name, "usr/share/ca-certificates") {
			if t[name].kind == tar.TypeReg {
				bundle.Write(bytes.TrimSpace(t[name].data))
				bundle.WriteByte('\n')
			}
			delete(t, name)
		}
	}
	if bundle.Len() == 0 {
		return errors.New("no certificate in ca-certificates")
	}
	t.file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle.Bytes())
	return nil
}

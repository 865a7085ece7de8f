package main

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// packageTar is a package's contents.
func packageTar(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := strings.Repeat("x", int(h.Size))
		h.Uid, h.Uname, h.ModTime = 7, "somebody", time.Unix(1_700_000_000, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// listing is what the tree's tar says, a line for each entry.
func listing(t *testing.T, tr tree) string {
	t.Helper()
	var b bytes.Buffer
	if err := tr.write(&b); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err != nil {
			return lines.String()
		}
		lines.WriteString(strings.TrimSpace(h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname) + "\n")
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s is of %d:%d %q at %s", h.Name, h.Uid, h.Gid, h.Uname, h.ModTime)
		}
	}
}

func TestExtract(t *testing.T) {
	t.Parallel()
	tr := tree{}
	tr.link("bin", "usr/bin")
	data := packageTar(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "./bin/su", Mode: 0o6755, Size: 3},
		tar.Header{Typeflag: tar.TypeReg, Name: "./lib/l.so", Mode: 0o664, Size: 1},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./lib64/ld.so", Linkname: "/lib/l.so", Mode: 0o777},
		tar.Header{Typeflag: tar.TypeLink, Name: "./usr/bin/sudo", Linkname: "./bin/su", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "./usr/share/man/su.1", Mode: 0o644},
	)
	kept := func(name string) bool { return !strings.HasPrefix(name, "usr/share/man/") }
	if err := tr.extract(bytes.NewReader(data), kept); err != nil {
		t.Fatal(err)
	}
	want := `Lrwxrwxrwx bin usr/bin
drwxr-xr-x usr/
drwxr-xr-x usr/bin/
-rwxr-xr-x usr/bin/su
-rwxr-xr-x usr/bin/sudo
drwxr-xr-x usr/lib/
-rw-r--r-- usr/lib/l.so
drwxr-xr-x usr/lib64/
Lrwxrwxrwx usr/lib64/ld.so /lib/l.so
`
	if diff := cmp.Diff(want, listing(t, tr)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if string(tr["usr/bin/sudo"].data) != "xxx" {
		t.Errorf("the hard link has %q", tr["usr/bin/sudo"].data)
	}
}

func TestExtractRefuses(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]tar.Header{
		"a device":                    {Typeflag: tar.TypeChar, Name: "./dev/null", Mode: 0o666},
		"a link to what is not there": {Typeflag: tar.TypeLink, Name: "./usr/bin/x", Linkname: "./usr/bin/y"},
	} {
		tr := tree{}
		everything := func(string) bool { return true }
		if tr.extract(bytes.NewReader(packageTar(t, h)), everything) == nil {
			t.Errorf("%s is accepted: %v", name, tr.names())
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"./bin/bash":              "usr/bin/bash",
		"/lib64/ld-linux.so.2":    "usr/lib64/ld-linux.so.2",
		"./usr/bin/env":           "usr/bin/env",
		"./library/x":             "library/x",
		"../../etc/passwd":        "etc/passwd",
		"usr/../sbin/./ldconfig/": "usr/sbin/ldconfig",
	} {
		if got := canonical(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestUnion: a higher layer's file wins; its directories do not change those
// below.
func TestUnion(t *testing.T) {
	t.Parallel()
	low, high := tree{}, tree{}
	low.dir("tmp", 0o1777)
	low.file("a", 0o644, []byte("low"))
	high.file("a", 0o600, []byte("high"))
	high.file("tmp/b", 0o644, nil)
	all := union([]tree{low, high})
	want := "-rw------- a\ndtrwxrwxrwx tmp/\n-rw-r--r-- tmp/b\n"
	if diff := cmp.Diff(want, listing(t, all)); diff != "" || string(all["a"].data) != "high" {
		t.Errorf("a is %q; tree (-want +got):\n%s", all["a"].data, diff)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	tr := tree{}
	tr.file("usr/share/ca-certificates/mozilla/B.crt", 0o644, []byte("\nB\n\n"))
	tr.file("usr/share/ca-certificates/mozilla/A.crt", 0o644, []byte("A"))
	if err := tr.bundleCertificates(); err != nil {
		t.Fatal(err)
	}
	want := `drwxr-xr-x etc/
drwxr-xr-x etc/ssl/
drwxr-xr-x etc/ssl/certs/
-rw-r--r-- etc/ssl/certs/ca-certificates.crt
drwxr-xr-x usr/
drwxr-xr-x usr/share/
`
	if diff := cmp.Diff(want, listing(t, tr)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if got := string(tr["etc/ssl/certs/ca-certificates.crt"].data); got != "A\nB\n" {
		t.Errorf("bundle %q", got)
	}
	if tr.bundleCertificates() == nil {
		t.Error("no error without certificates")
	}
}

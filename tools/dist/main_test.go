package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func released(t *testing.T) configuration {
	t.Helper()
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestArchivesAreThoseThatKrewInstalls(t *testing.T) {
	t.Parallel()
	krew, err := os.ReadFile("../../krew-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := released(t)
	if len(c.targets()) != strings.Count(string(krew), "uri: ") {
		t.Errorf("%d targets", len(c.targets()))
	}
	for _, on := range c.targets() {
		name, err := c.archive(release{Version: "0.0.0"}, on)
		if err != nil || !strings.Contains(string(krew), "/"+name+"\n") {
			t.Errorf("%v: krew's manifest has no %s (%v)", on, name, err)
		}
		if !strings.Contains(string(krew), "bin: "+c.binary(on)+"\n") {
			t.Errorf("%v: krew's manifest has no bin %s", on, c.binary(on))
		}
	}
}

func TestFlagsCarryVersionAndImage(t *testing.T) {
	t.Parallel()
	flags, err := released(t).flags(release{Version: "1.2.3", Env: map[string]string{"MOVER_IMAGE": "registry.example/mover@sha256:1"}})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(flags, " ")
	for _, want := range []string{"-trimpath", "-buildid=", "version.Version=1.2.3", "version.MoverImage=registry.example/mover@sha256:1"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	if _, err := (release{}).fill("{{ .Commit }}"); err == nil {
		t.Error("a template of something unknown is filled")
	}
}

// An archive holds what was given and the one time, and is the same each time.
func TestPackIsReproducible(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_780_000_000, 0).UTC()
	entries := []entry{{"LICENSE", 0o644, []byte("free")}, {"kubectl-volsync_kopia", 0o755, bytes.Repeat([]byte("program"), 1000)}}
	first, err := pack(entries, at)
	if err != nil {
		t.Fatal(err)
	}
	second, err := pack(slices.Clone(entries), at.Local())
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two archives of the same differ (%v)", err)
	}
	uncompressed, err := gzip.NewReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if !uncompressed.ModTime.IsZero() || uncompressed.Name != "" {
		t.Errorf("the compression tells %v", uncompressed.Header)
	}
	archive := tar.NewReader(uncompressed)
	for _, want := range entries {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil || header.Name != want.name || header.Mode != want.mode || !bytes.Equal(data, want.data) {
			t.Errorf("%s, mode %o, %d bytes (%v); want %s", header.Name, header.Mode, len(data), err, want.name)
		}
		if !header.ModTime.Equal(at) || header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("%s is of %v, %d:%d %s", header.Name, header.ModTime, header.Uid, header.Gid, header.Uname)
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("there is more: %v", err)
	}
}

func TestChecksumsAreThoseOfSha256sum(t *testing.T) {
	t.Parallel()
	got := string(checksums(map[string]string{"b": digest(nil), "a": digest([]byte("a"))}))
	want := "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if got != want {
		t.Errorf("%q", got)
	}
}

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readTar returns the regular files of a tar by name.
func readTar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// opened is an archive that has been read the way a runtime reads it: from
// index.json on, by digest.
type opened struct {
	name, digest string
	config       imageConfig
	layers       [][]byte
}

// openArchive checks every digest and size on the way.
func openArchive(t *testing.T, archive []byte) opened {
	t.Helper()
	files := readTar(t, archive)
	if got := string(files["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %q", got)
	}
	used := []string{"index.json", "manifest.json", "oci-layout"}
	blob := func(d descriptor, mediaType string) []byte {
		t.Helper()
		data, ok := files[d.path()]
		sum := sha256.Sum256(data)
		if !ok || d.Digest != "sha256:"+hex.EncodeToString(sum[:]) || d.Size != len(data) || d.MediaType != mediaType {
			t.Errorf("descriptor %+v does not fit the blob of %d bytes", d, len(data))
		}
		used = append(used, d.path())
		return data
	}
	var top index
	decode(t, files["index.json"], &top)
	if top.SchemaVersion != 2 || len(top.Manifests) != 1 {
		t.Fatalf("index %+v", top)
	}
	entry := top.Manifests[0]
	var m manifest
	decode(t, blob(entry, typeManifest), &m)
	o := opened{name: entry.Annotations["io.containerd.image.name"], digest: entry.Digest}
	decode(t, blob(m.Config, typeConfig), &o.config)
	if diff := cmp.Diff(&platform{o.config.Architecture, "linux"}, entry.Platform); diff != "" || m.SchemaVersion != 2 {
		t.Errorf("platform (-config +index), schema %d:\n%s", m.SchemaVersion, diff)
	}
	docker := dockerManifest{Config: m.Config.path(), RepoTags: []string{o.name}}
	var diffIDs []string
	for _, l := range m.Layers {
		o.layers = append(o.layers, blob(l, typeLayer))
		diffIDs = append(diffIDs, l.Digest) // not compressed
		docker.Layers = append(docker.Layers, l.path())
	}
	if diff := cmp.Diff(rootFS{"layers", diffIDs}, o.config.RootFS); diff != "" {
		t.Errorf("layers (-manifest +config):\n%s", diff)
	}
	var forDocker []dockerManifest
	decode(t, files["manifest.json"], &forDocker)
	if diff := cmp.Diff([]dockerManifest{docker}, forDocker); diff != "" {
		t.Errorf("manifest.json (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(used)), slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-referenced +in the archive):\n%s", diff)
	}
	return o
}

// sampleLayers are two small layers; which of their files comes first does not
// matter.
func sampleLayers(reverse bool) []tree {
	low, high := tree{}, tree{}
	steps := []func(){
		func() { low.file("etc/a", 0o644, []byte("a")) },
		func() { low.link("bin", "usr/bin") },
		func() { low.dir("tmp", 0o1777) },
		func() { high.file("usr/local/bin/p", 0o755, []byte("program")) },
	}
	if reverse {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		step()
	}
	return []tree{low, high}
}

func TestPack(t *testing.T) {
	t.Parallel()
	archive, digest, err := pack("example.test/mover:1", settings("amd64", "1.2.3"), sampleLayers(false))
	if err != nil {
		t.Fatal(err)
	}
	o := openArchive(t, archive)
	if o.name != "example.test/mover:1" || o.digest != digest {
		t.Errorf("archive of %s %s, pack said %s", o.name, o.digest, digest)
	}
	if diff := cmp.Diff(settings("amd64", "1.2.3").Config, o.config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if len(o.layers) != 2 || string(readTar(t, o.layers[1])["usr/local/bin/p"]) != "program" {
		t.Errorf("%d layers, the second with %v", len(o.layers), readTar(t, o.layers[1]))
	}
}

// TestSameBytes: the digest depends on nothing but the files and settings. It
// is written down, so that a new Go or a new machine cannot change it unseen.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	const want = "sha256:276a68e75b2c9db3fd5e7d1e4624b41eceb9ee8847783e434955a55e0c8b7fc7"
	first, digest, err := pack("n:1", settings("amd64", "1"), sampleLayers(false))
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := pack("n:1", settings("amd64", "1"), sampleLayers(true))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two archives of the same files differ")
	}
	if digest != want {
		t.Errorf("digest %s, want %s", digest, want)
	}
}

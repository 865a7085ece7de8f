package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/image"
)

func TestWrite(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	spec := image.Spec{Name: "vk.local/x:1", Entrypoint: []string{"/usr/bin/x"}, Env: []string{"A=b"}, Files: map[string]string{"/usr/bin/x": program}}
	var first, second bytes.Buffer
	if err := errors.Join(image.Write(&first, spec), image.Write(&second, spec)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files give different archives")
	}
	archive := readTar(t, first.Bytes())
	var index, manifest, config struct {
		Manifests, Layers []descriptor
		Config            json.RawMessage
		RootFS            struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, archive["index.json"].data, &index)
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != spec.Name {
		t.Errorf("imported as %q", got)
	}
	decode(t, archive[blob(index.Manifests[0].Digest)].data, &manifest)
	var configRef descriptor
	decode(t, manifest.Config, &configRef)
	decode(t, archive[blob(configRef.Digest)].data, &config)
	var settings struct{ Env, Entrypoint []string }
	decode(t, config.Config, &settings)
	if diff := cmp.Diff([]string{"PATH=/usr/bin:/bin", "A=b"}, settings.Env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(spec.Entrypoint, settings.Entrypoint); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{manifest.Layers[0].Digest}, config.RootFS.DiffIDs); diff != "" {
		t.Error(diff)
	}
	layer := readTar(t, archive[blob(manifest.Layers[0].Digest)].data)
	if got := layer["usr/bin/x"]; got.mode != 0o755 || string(got.data) != "#!/bin/sh\n" {
		t.Errorf("program %o %q", got.mode, got.data)
	}
	if got := layer["tmp/"].mode; got != 0o1777 {
		t.Errorf("/tmp has mode %o, a pod of another user could not write there", got)
	}
}

type descriptor struct {
	Digest      string
	Annotations map[string]string
}

type entry struct {
	mode int64
	data []byte
}

func readTar(t *testing.T, data []byte) map[string]entry {
	t.Helper()
	entries := map[string]entry{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		} else if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries[header.Name] = entry{header.Mode, content}
	}
}

func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
}

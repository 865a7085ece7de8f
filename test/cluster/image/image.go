// Package image writes one-layer OCI image archives from files, without a registry or a daemon. The same files give
// the same bytes.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
)

// Spec is what an image holds.
type Spec struct {
	// Name is the reference under which it is imported, with its tag.
	Name string
	// Entrypoint is the command, empty if the pod is to give one.
	Entrypoint []string
	// Env has KEY=VALUE entries; PATH is set.
	Env []string
	// Files maps an absolute path in the image to a program on this machine.
	Files map[string]string
	// Busybox is the path of a static busybox that is installed with a link for each of its applets.
	Busybox string
}

// Write writes the archive, as `ctr images import` takes it.
func Write(w io.Writer, s Spec) error {
	layer, err := rootfs(s)
	if err != nil {
		return err
	}
	blobs := map[string][]byte{}
	layerRef := put(blobs, "application/vnd.oci.image.layer.v1.tar", layer)
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH, "os": runtime.GOOS,
		"config": object{"Env": append([]string{"PATH=/usr/bin:/bin"}, s.Env...), "Entrypoint": s.Entrypoint},
		"rootfs": object{"type": "layers", "diff_ids": []any{layerRef["digest"]}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": put(blobs, "application/vnd.oci.image.config.v1+json", config), "layers": []object{layerRef},
	})
	if err != nil {
		return err
	}
	manifestRef := put(blobs, "application/vnd.oci.image.manifest.v1+json", manifest)
	manifestRef["platform"] = object{"architecture": runtime.GOARCH, "os": runtime.GOOS}
	manifestRef["annotations"] = object{"io.containerd.image.name": s.Name}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{manifestRef}})
	if err != nil {
		return err
	}
	blobs["index.json"] = index
	blobs["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	out := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if err := writeFile(out, name, 0o644, blobs[name]); err != nil {
			return err
		}
	}
	return out.Close()
}

// WriteFile writes the archive to a file.
func WriteFile(path string, s Spec) error {
	var archive bytes.Buffer
	if err := Write(&archive, s); err != nil {
		return fmt.Errorf("image %s: %w", s.Name, err)
	}
	return os.WriteFile(path, archive.Bytes(), 0o644)
}

type object map[string]any

// put files a blob under its digest and returns its descriptor.
func put(blobs map[string][]byte, mediaType string, data []byte) object {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	blobs["blobs/sha256/"+digest] = data
	return object{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(data)}
}

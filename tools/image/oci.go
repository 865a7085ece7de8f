package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path"
	"strconv"
	"strings"
)

// Media types of the OCI image specification.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// The image's documents; fields are in the order in which they are written.
type (
	imageConfig struct {
		Architecture string    `json:"architecture"`
		OS           string    `json:"os"`
		Config       execution `json:"config"`
		RootFS       rootFS    `json:"rootfs"`
	}
	execution struct {
		User       string            `json:"User"`
		Env        []string          `json:"Env"`
		Entrypoint []string          `json:"Entrypoint"`
		WorkingDir string            `json:"WorkingDir"`
		Labels     map[string]string `json:"Labels"`
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
		Platform    *platform         `json:"platform,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	manifest struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}
	index struct {
		SchemaVersion int          `json:"schemaVersion"`
		Manifests     []descriptor `json:"manifests"`
	}
	// dockerManifest is how docker and podman find the image in the archive.
	dockerManifest struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// settings are how the image runs. The Dockerfile has the same.
func settings(arch, version string) imageConfig {
	return imageConfig{
		Architecture: arch,
		OS:           "linux",
		Config: execution{
			User: strconv.Itoa(user) + ":" + strconv.Itoa(user),
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"HOME=/tmp",
				"LANG=C.UTF-8",
				"KOPIA_CHECK_FOR_UPDATES=false",
			},
			Entrypoint: []string{"/usr/local/bin/kubectl-volsync_kopia"},
			WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":    "kubectl-volsync-kopia mover",
				"org.opencontainers.image.version":  version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	}
}

// blobs are an archive's contents by digest.
type blobs map[string][]byte

func (b blobs) add(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	b["blobs/sha256/"+digest] = data
	return descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: len(data)}
}

func (d descriptor) path() string {
	return path.Join("blobs", strings.Replace(d.Digest, ":", "/", 1))
}

// pack returns the archive of an image and the digest of its manifest. Layers
// are not compressed: compressors differ from one version to the next, and a
// registry client compresses when it pushes.
func pack(name string, config imageConfig, layers []tree) (archive []byte, digest string, err error) {
	files := blobs{}
	m := manifest{SchemaVersion: 2, MediaType: typeManifest}
	config.RootFS.Type = "layers"
	docker := dockerManifest{RepoTags: []string{name}}
	for _, l := range layers {
		var data bytes.Buffer
		if err := l.write(&data); err != nil {
			return nil, "", err
		}
		d := files.add(typeLayer, data.Bytes())
		m.Layers = append(m.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d.Digest)
		docker.Layers = append(docker.Layers, d.path())
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, "", err
	}
	m.Config = files.add(typeConfig, text)
	docker.Config = m.Config.path()
	if text, err = json.Marshal(m); err != nil {
		return nil, "", err
	}
	entry := files.add(typeManifest, text)
	entry.Platform = &platform{config.Architecture, config.OS}
	entry.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
	for file, document := range map[string]any{
		"index.json":    index{SchemaVersion: 2, Manifests: []descriptor{entry}},
		"manifest.json": []dockerManifest{docker},
		"oci-layout":    map[string]string{"imageLayoutVersion": "1.0.0"},
	} {
		if files[file], err = json.Marshal(document); err != nil {
			return nil, "", err
		}
	}
	var out bytes.Buffer
	err = files.write(&out)
	return out.Bytes(), entry.Digest, err
}

func (b blobs) write(w io.Writer) error {
	t := tree{}
	for name, data := range b {
		t.file(name, 0o644, data)
	}
	return t.write(w)
}

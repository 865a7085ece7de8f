package validate

import (
	"encoding/json"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// repository remembers the Secret that a document needs, with what the document
// itself says about the repository's place.
func (c *check) repository(name string, want result.Storage) {
	if name == "" {
		return
	}
	path := "spec.kopia.repository"
	if c.doc.Maintenance != nil {
		path = "spec.repository.repository"
	}
	c.refer(reference{kind: repositoryReference, path: path, name: name, storage: want})
}

// storageOf returns the place of a repository that stands on a claim or in the
// structured configuration; the zero value leaves it to the Secret.
func storageOf(claim bool, p *spec.PolicyConfig) result.Storage {
	if claim {
		return result.Storage{Filesystem: &result.FilesystemStorage{Path: repositoryDir}}
	}
	if !hasStructured(p) {
		return result.Storage{}
	}
	var config struct{ Storage struct{ Type string } }
	if json.Unmarshal([]byte(*p.RepositoryConfig), &config) != nil {
		return result.Storage{} // the text is judged where it stands
	}
	backend, _ := policy.BackendType(config.Storage.Type)
	return emptyStorage(backend)
}

// repositoryDir is where the mover has a repository that stands on a claim.
const repositoryDir = "/kopia/repository"

// emptyStorage has the backend set and nothing in it: enough to see whether a
// Secret contradicts it.
func emptyStorage(backend string) result.Storage {
	switch backend {
	case "filesystem":
		return result.Storage{Filesystem: &result.FilesystemStorage{}}
	case "s3":
		return result.Storage{S3: &result.S3Storage{}}
	case "azureBlob":
		return result.Storage{Azure: &result.AzureStorage{}}
	case "gcs":
		return result.Storage{GCS: &result.GCSStorage{}}
	case "b2":
		return result.Storage{B2: &result.B2Storage{}}
	case "sftp":
		return result.Storage{SFTP: &result.SFTPStorage{}}
	case "webdav":
		return result.Storage{WebDAV: &result.WebDAVStorage{}}
	case "rclone":
		return result.Storage{Rclone: &result.RcloneStorage{}}
	case "gdrive":
		return result.Storage{GDrive: &result.GDriveStorage{}}
	}
	return result.Storage{}
}

func hasClaim(volumes []spec.MoverVolume) bool {
	return slices.ContainsFunc(volumes, func(v spec.MoverVolume) bool {
		return v.VolumeSource.PersistentVolumeClaim != nil
	})
}

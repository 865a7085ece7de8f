package validate

import (
	"fmt"
	"path"
	"strings"

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
		path = upkeepRepository
	}
	c.refer(reference{kind: repositoryReference, path: path, name: name, storage: want})
}

// claimPlace is a claim of the manifest that holds the repository; the zero value
// is none.
type claimPlace struct {
	// field names the claim, mount is where the mover sees it, and dir where the
	// repository is on it.
	field, mount, dir string
}

// placeOnClaim finds the claim that the mover takes for the repository.
func placeOnClaim(repositoryPVC *string, volumes []spec.MoverVolume, at string) claimPlace {
	if repositoryPVC != nil {
		return claimPlace{"spec.kopia.repositoryPVC", "/kopia", "/kopia/repository"}
	}
	for i := range volumes {
		if volumes[i].VolumeSource.PersistentVolumeClaim != nil {
			mount := path.Join("/mnt", volumes[i].MountPath)
			return claimPlace{fmt.Sprintf("%s[%d]", at, i), mount, mount}
		}
	}
	return claimPlace{}
}

// storageOf returns the place of a repository that stands on a claim or in the
// structured configuration; the zero value leaves it to the Secret. A manifest
// must not name both, unless one is a directory of the other.
func (c *check) storageOf(claim claimPlace, p *spec.PolicyConfig) result.Storage {
	structured := c.structuredStorage(p)
	if claim.mount == "" {
		return structured
	}
	switch dir := structured.Filesystem; {
	case structured.Type() == "":
	case dir != nil && strings.HasPrefix(dir.Path+"/", claim.mount+"/"):
		return structured
	default:
		c.fail("VK174", claim.field, "the repository is to be on this claim, mounted at "+claim.mount+", and policyConfig.repositoryConfig says that it is "+
			structured.Type()+" storage somewhere else",
			"remove one of the two")
	}
	return result.Storage{Filesystem: &result.FilesystemStorage{Path: claim.dir}}
}

// structuredStorage is what policyConfig.repositoryConfig says about the place; what
// is wrong with it is judged where it stands.
func (c *check) structuredStorage(p *spec.PolicyConfig) result.Storage {
	if !hasStructured(p) {
		return result.Storage{}
	}
	d, syntax := policy.ParseDocument("", []byte(*p.RepositoryConfig))
	if syntax != nil {
		return result.Storage{}
	}
	return policy.StorageOf(policy.Resolve(policy.Inputs{Structured: d}, c.v.names).Storage)
}

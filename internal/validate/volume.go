package validate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// volume judges the options of the point-in-time volume; at is the path in
// front of the fields.
func (c *check) volume(at string, o *spec.VolumeOptions) {
	c.positive(at+"capacity", o.Capacity)
	if o.VolumeSnapshotClassName != nil && o.CopyMethod != "" && o.CopyMethod != spec.CopySnapshot {
		c.note("VK149", at+"volumeSnapshotClassName",
			"volumeSnapshotClassName has no effect with copyMethod "+string(o.CopyMethod),
			"remove it, or set copyMethod: Snapshot")
	}
}

func (c *check) positive(path string, q *resource.Quantity) {
	if q != nil && q.Sign() <= 0 {
		c.fail("VK148", path, "a size cannot be "+q.String(), "give a size above 0, as 10Gi")
	}
}

// cache judges the cache's sizes against each other.
func (c *check) cache(at string, o *spec.CacheOptions) {
	c.positive(at+"cacheCapacity", o.CacheCapacity)
	for field, limit := range map[string]*int32{"contentCacheSizeLimitMB": o.ContentCacheSizeLimitMB, "metadataCacheSizeLimitMB": o.MetadataCacheSizeLimitMB} {
		if limit != nil && *limit == 0 {
			c.note("VK150", at+field, "a limit of 0 is none in kopia, and the cache would grow beyond its volume; one that fits cacheCapacity is chosen",
				"give a limit in megabytes, or leave the field out")
		}
	}
	if o.CacheCapacity == nil {
		return
	}
	var content, metadata int64
	if o.ContentCacheSizeLimitMB != nil {
		content = int64(*o.ContentCacheSizeLimitMB)
	}
	if o.MetadataCacheSizeLimitMB != nil {
		metadata = int64(*o.MetadataCacheSizeLimitMB)
	}
	// Kopia's index cache is as large as the metadata limit again.
	if need := (content + 2*metadata) * spec.Megabyte; need > o.CacheCapacity.Value() {
		c.warn("VK150", at+"cacheCapacity", fmt.Sprintf(
			"the cache limits need %d MB (content %d, metadata %d, index %d), more than the %s of cacheCapacity",
			need/spec.Megabyte, content, metadata, metadata, o.CacheCapacity.String()),
			"raise cacheCapacity, lower the limits, or leave the limits out to have them fit by themselves")
	}
}

// moverVolumes judges the further volumes of the mover.
func (c *check) moverVolumes(at string, volumes []spec.MoverVolume, repositoryPVC bool) {
	first := map[string]int{}
	claim := -1
	for i, v := range volumes {
		path := fmt.Sprintf("%s[%d]", at, i)
		if j, twice := first[v.MountPath]; twice && v.MountPath != "" {
			c.fail("VK152", path+".mountPath", fmt.Sprintf("mountPath %s is used by %s[%d] already", quoted(v.MountPath), at, j),
				"give each volume a mountPath of its own")
		} else {
			first[v.MountPath] = i
		}
		c.volumeSource(path+".volumeSource", v.VolumeSource)
		if v.VolumeSource.PersistentVolumeClaim == nil || repositoryPVC {
			continue
		}
		if claim < 0 {
			claim = i
			continue
		}
		c.warn("VK154", path, fmt.Sprintf("only the first claim of moverVolumes, %s[%d], is the repository; this one is mounted and not used", at, claim),
			"remove it, unless an action needs it")
	}
}

// volumeSource finds a source that names nothing, which no pod can mount.
func (c *check) volumeSource(at string, v spec.MoverVolumeSource) {
	lacks := func(path, what, fix string, fields ...string) {
		if !c.unread(path, fields...) {
			c.fail("VK153", path, "the volume does not say which "+what, fix)
		}
	}
	if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == "" {
		lacks(at+".persistentVolumeClaim", "claim", "set claimName", "claimName")
	}
	if v.Secret != nil && v.Secret.SecretName == "" {
		lacks(at+".secret", "Secret", "set secretName", "secretName")
	}
	if v.NFS != nil && (v.NFS.Server == "" || !strings.HasPrefix(v.NFS.Path, "/")) {
		lacks(at+".nfs", "directory of which server", "set server, and path as an absolute path", "server", "path")
	}
}

// podLabels finds labels that no pod can have.
func (c *check) podLabels(at string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if c.unread(at, key) {
			continue
		}
		path := at + "[" + strconv.Quote(key) + "]"
		if why := validation.IsQualifiedName(key); len(why) > 0 {
			c.fail("VK175", path, quoted(key)+" cannot be the key of a label: "+why[0], "correct the key, as team or example.com/team")
		} else if why := validation.IsValidLabelValue(labels[key]); len(why) > 0 {
			c.fail("VK175", path, quoted(labels[key])+" cannot be the value of a label: "+why[0], "correct the value")
		}
	}
}

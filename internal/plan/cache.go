package plan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Sizes of the cache.
const (
	mebibyte = 1 << 20
	// defaultCacheBytes is the documented default of cacheCapacity: 1Gi.
	defaultCacheBytes = 1 << 30
	// minCacheMargin is the least room beyond the capacity of an emptyDir.
	minCacheMargin = 256 * mebibyte
	// Of the capacity, in percent. kopia's index cache may use the metadata
	// size once more and the rest is for logs: 40 + 2 x 20 + 5 = 85.
	contentPercent  = 40
	metadataPercent = 20
	logPercent      = 5
	marginPercent   = 25
)

// cacheBytes is the capacity of the cache: that of a claim that is there, or the
// manifest's, or the default, or more where the structured configuration or explicit limits ask for more.
func (b *builder) cacheBytes(limits cacheSizes) int64 {
	if claim := b.in.Facts.claim(b.existingCache()); claim != nil && claim.Capacity != nil && claim.Capacity.Value() > 0 {
		return claim.Capacity.Value()
	}
	if c := b.kopia.CacheCapacity; c != nil && c.Value() > 0 {
		return c.Value()
	}
	return max(defaultCacheBytes, limits.volume())
}

// volume is what limits need: the index cache may be as large as the metadata,
// and logs take their share.
func (c cacheSizes) volume() int64 {
	used := c.content + 2*c.metadata
	return (used + percent(used, logPercent) + mebibyte - 1) / mebibyte * mebibyte
}

// percent is a share of a size, which may be almost as large as a number can be:
// size * of would be larger.
func percent(size, of int64) int64 { return size/100*of + size%100*of/100 }

// checkCache warns of limits that the volume cannot hold: kopia would fill it,
// and a full emptyDir evicts the mover.
func (b *builder) checkCache(c Cache, total int64) {
	if need := (cacheSizes{c.ContentBytes, c.MetadataBytes}).volume(); need > total {
		path, fix := b.field("cacheCapacity"), "raise cacheCapacity"
		if b.existingCache() != "" {
			path, fix = b.field("cachePVC"), "use a larger claim"
		}
		b.find(problem.Warning, codeCacheTooSmall, path,
			fmt.Sprintf("kopia's cache limits allow %s, but the cache has %s", binary(need), c.Capacity),
			fix+", or lower the cache limits")
	}
}

// cacheIsClaim reports whether the manifest asks for a kept cache.
func (b *builder) cacheIsClaim() bool {
	return b.in.Env.Local == nil &&
		(deref(b.kopia.CacheStorageClassName) != "" || len(b.kopia.CacheAccessModes) > 0)
}

// existingCache is the claim that the manifest names for the cache, or "".
func (b *builder) existingCache() string {
	if b.in.Env.Local != nil || b.upkeep == nil {
		return ""
	}
	return deref(b.upkeep.CachePVC)
}

// decideCache sizes the cache: explicit limits win over the structured
// configuration, which wins over shares of the capacity.
func (b *builder) decideCache(structured cacheSizes, dir string) Cache {
	given := cacheSizes{
		content:  cacheLimit(b.kopia.ContentCacheSizeLimitMB, structured.content, 0),
		metadata: cacheLimit(b.kopia.MetadataCacheSizeLimitMB, structured.metadata, 0),
	}
	total := b.cacheBytes(given)
	c := Cache{
		Directory:     dir,
		Capacity:      binary(total),
		CapacityBytes: total,
		ContentBytes:  cacheLimit(b.kopia.ContentCacheSizeLimitMB, structured.content, percent(total, contentPercent)),
		MetadataBytes: cacheLimit(b.kopia.MetadataCacheSizeLimitMB, structured.metadata, percent(total, metadataPercent)),
	}
	if b.in.Env.Local == nil {
		b.checkCache(c, total)
	}
	switch {
	case b.in.Env.Local != nil:
	case b.existingCache() != "":
		c.Claim, c.Existing = b.existingCache(), true
	case b.cacheIsClaim():
		c.Claim = Name(NameCache, b.object, "")
		c.StorageClass = b.cacheStorageClass()
	default:
		c.inEmptyDir()
	}
	return c
}

// cacheSizes are limits in bytes; 0: not given.
type cacheSizes struct{ content, metadata int64 }

// cacheLimit chooses one limit in bytes; the explicit one is in MB. 0 there, which
// is no limit at all in kopia, stands for the share, as does a field that is
// left out: a cache without a limit fills its volume. Shares are whole MB, as
// kopia counts them, and never 0.
func cacheLimit(explicit *int32, structured, share int64) int64 {
	switch {
	case explicit != nil && *explicit > 0:
		return int64(*explicit) * spec.Megabyte
	case explicit == nil && structured > 0:
		return structured
	case share == 0:
		return 0
	}
	return max(share/spec.Megabyte, 1) * spec.Megabyte
}

// cacheStorageClass follows the documented chain: cacheStorageClassName, then
// storageClassName, then the class of the source claim.
func (b *builder) cacheStorageClass() string {
	for _, name := range []*string{b.kopia.CacheStorageClassName, b.kopia.StorageClassName} {
		if deref(name) != "" {
			return *name
		}
	}
	if claim := b.in.Facts.claim(b.source.Spec.SourcePVC); claim != nil {
		return deref(claim.StorageClass)
	}
	return ""
}

// cacheAccessModes follows the same chain for the modes. A read-only copy must
// not give a read-only cache.
func (b *builder) cacheAccessModes() []corev1.PersistentVolumeAccessMode {
	if len(b.kopia.CacheAccessModes) > 0 {
		return b.kopia.CacheAccessModes
	}
	modes := b.kopia.AccessModes
	if claim := b.in.Facts.claim(b.source.Spec.SourcePVC); len(modes) == 0 && claim != nil {
		modes = claim.AccessModes
	}
	if len(modes) == 0 || readOnlyMany(modes) {
		return []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return modes
}

// checkCacheClass refuses a cache claim that nothing would provide.
func (b *builder) checkCacheClass(c Cache) {
	if c.StorageClass == "" || b.in.Facts.isUnknown(FactStorageClasses) || b.in.Facts.storageClass(c.StorageClass) != nil {
		return
	}
	b.find(problem.Error, codeStorageClassMissing, b.field("cacheStorageClassName"),
		fmt.Sprintf("StorageClass %q for the cache does not exist", c.StorageClass),
		"name one that kubectl get storageclass lists, or leave the cache to an emptyDir")
}

// cacheClaim is the kept cache of the source.
func (b *builder) cacheClaim(c Cache) *corev1.PersistentVolumeClaim {
	pvc := &corev1.PersistentVolumeClaim{
		TypeMeta:   typeMeta("v1", "PersistentVolumeClaim"),
		ObjectMeta: b.lastingMeta(NameCache, roleCache),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: b.cacheAccessModes(),
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(c.CapacityBytes, resource.BinarySI)},
			},
		},
	}
	if c.StorageClass != "" {
		pvc.Spec.StorageClassName = &c.StorageClass
	}
	return pvc
}

// binary prints bytes as a quantity, as 1Gi.
func binary(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }

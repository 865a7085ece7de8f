package policy

import (
	"encoding/json"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// Settings of the repository configuration; none is a part of a policy.
const (
	toEnableActions     = "#enableActions"
	toActionTimeout     = "#actionTimeout"
	toUpload            = "#uploadSpeed"
	toDownload          = "#downloadSpeed"
	toEncryption        = "#encryption"
	toHash              = "#hash"
	toECC               = "#ecc"
	toECCOverhead       = "#eccOverheadPercent"
	toCreationSplitter  = "#splitter"
	toContentCache      = "#contentCache"
	toMetadataCache     = "#metadataCache"
	toOwner             = "#maintenanceOwner"
	toMaintenance       = "#maintenanceEnabled"
	toQuickInterval     = "#quickInterval"
	toQuickEnabled      = "#quickEnabled"
	toFullInterval      = "#fullInterval"
	toFullEnabled       = "#fullEnabled"
	noKopiaMeaning      = "has no meaning in kopia and is left out"
	identityIsElsewhere = "is no part of the repository here and is left out; the manifest says who a snapshot belongs to"
)

// repositoryRules is the grammar of repository.config.
func repositoryRules() map[string]rule {
	return map[string]rule{
		"enableActions":        toggle(toEnableActions),
		"actionCommandTimeout": named(kindDuration, toActionTimeout),
		"uploadSpeed":          bytesize(toUpload),
		"downloadSpeed":        bytesize(toDownload),
		"encryptionAlgorithm":  named(kindEncryption, toEncryption).creationOnly(),
		"hashingAlgorithm":     named(kindHash, toHash).creationOnly(),
		"ecc":                  named(kindECC, toECC).creationOnly(),
		"eccOverheadPercent":   within(toECCOverhead, 100).creationOnly(),
		"auditLog":             meaningless(noKopiaMeaning, "remove the key; every run's result and Events are the record"),
		"requireTwoFactorAuth": meaningless(noKopiaMeaning, "remove the key; the storage provider guards its own access"),
	}
}

// structuredRules is the grammar of spec.kopia.policyConfig.repositoryConfig.
func structuredRules() map[string]rule {
	rules := repositoryRules()
	rules["storage"] = rule{kind: kindAny}
	rules["policies"] = object(policyRules())
	rules["caching"] = object(cachingRules())
	rules["maintenance"] = object(maintenanceRules())
	rules["username"] = rule{kind: kindAny}.noted(codeIdentity, problem.Warning, identityIsElsewhere, "set spec.kopia.username")
	rules["hostname"] = rule{kind: kindAny}.noted(codeIdentity, problem.Warning, identityIsElsewhere, "set spec.kopia.hostname")
	for _, key := range []string{"description", "readonly", "permissiveCacheLoading", "formatBlobCacheDuration", "throttlingLimits"} {
		rules[key] = managed("is decided by this tool and is left out")
	}
	return rules
}

// manualRules is the grammar of the Secret's KOPIA_MANUAL_CONFIG.
func manualRules() map[string]rule {
	compression := map[string]rule{"algorithm": named(kindCompressor, toCompressor)}
	for _, key := range []string{"compressor", "compressorName", "compressionLevel", "minSize", "maxSize"} {
		compression[key] = compressionRules()[key]
	}
	splitter := splitterRules()
	splitter["algorithm"] = named(kindSplitter, toCreationSplitter).creationOnly()
	// The plan decides about the cache, and no plan for a cluster reads a Secret.
	caching := cachingRules()
	for key := range caching {
		caching[key] = rule{kind: kindAny}.noted(codeManaged, problem.Warning, "is left out: the cache is sized by the manifest",
			"set spec.kopia.cacheCapacity, contentCacheSizeLimitMB or metadataCacheSizeLimitMB")
	}
	return map[string]rule{
		"encryption":  object(map[string]rule{"algorithm": named(kindEncryption, toEncryption).creationOnly()}),
		"compression": object(compression),
		"splitter":    object(splitter),
		"caching":     object(caching),
	}
}

func cachingRules() map[string]rule {
	sweep := meaningless("has no effect here and is left out; the sizes bound the cache", "remove the key")
	return map[string]rule{
		"cacheDirectory": managed("is decided by this tool and is left out: each repository has a cache of its own"),
		// Kopia's own file has a soft and a hard limit; here every limit is hard.
		"maxCacheSize":                bytesize(toContentCache),
		"contentCacheSize":            bytesize(toContentCache),
		"contentCacheSizeBytes":       bytesize(toContentCache),
		"contentCacheSizeLimitBytes":  bytesize(toContentCache),
		"metadataCacheSize":           bytesize(toMetadataCache),
		"maxMetadataCacheSize":        bytesize(toMetadataCache),
		"metadataCacheSizeBytes":      bytesize(toMetadataCache),
		"metadataCacheSizeLimitBytes": bytesize(toMetadataCache),
		"maxListCacheDuration":        sweep,
		"minMetadataSweepAge":         sweep,
		"minContentSweepAge":          sweep,
		"minIndexSweepAge":            sweep,
	}
}

func maintenanceRules() map[string]rule {
	cycle := func(interval, enabled string) rule {
		return object(map[string]rule{"interval": named(kindInterval, interval), "enabled": toggle(enabled)})
	}
	return map[string]rule{
		"owner":      named(kindOwner, toOwner),
		"enabled":    toggle(toMaintenance),
		"quickCycle": cycle(toQuickInterval, toQuickEnabled),
		"fullCycle":  cycle(toFullInterval, toFullEnabled),
	}
}

// CreationOptions are what only a new repository takes; empty means kopia's
// default.
type CreationOptions struct {
	Hash, Encryption, ECC string
	ECCOverheadPercent    int
	Splitter              string
}

// Caching holds hard limits in bytes; 0 means not given.
type Caching struct{ ContentBytes, MetadataBytes int64 }

// Maintenance is what the structured configuration says about the upkeep of a
// repository; zero values mean not given.
type Maintenance struct {
	// Owner is user@host; it is only taken over when the user asks for it.
	Owner         string
	Enabled       *bool
	QuickInterval time.Duration
	QuickEnabled  *bool
	FullInterval  time.Duration
	FullEnabled   *bool
}

// configure takes over what the document says beside policies.
func (r *Resolution) configure(found settings) {
	r.remember(found)
	found.text(toHash, &r.Creation.Hash)
	found.text(toEncryption, &r.Creation.Encryption)
	found.text(toECC, &r.Creation.ECC)
	found.text(toCreationSplitter, &r.Creation.Splitter)
	percent := int64(r.Creation.ECCOverheadPercent)
	found.number(toECCOverhead, &percent)
	r.Creation.ECCOverheadPercent = int(percent)

	found.number(toUpload, &r.Limits.UploadBytesPerSecond)
	found.number(toDownload, &r.Limits.DownloadBytesPerSecond)
	found.number(toContentCache, &r.Caching.ContentBytes)
	found.number(toMetadataCache, &r.Caching.MetadataBytes)
	parallel := int64(r.RestoreParallel)
	found.number(toRestoreParallel, &parallel)
	r.RestoreParallel = int(parallel)

	found.flag(toEnableActions, &r.EnableActions)
	found.span(toActionTimeout, &r.ActionTimeout)
	found.text(toOwner, &r.Maintenance.Owner)
	found.flag(toMaintenance, &r.Maintenance.Enabled)
	found.span(toQuickInterval, &r.Maintenance.QuickInterval)
	found.flag(toQuickEnabled, &r.Maintenance.QuickEnabled)
	found.span(toFullInterval, &r.Maintenance.FullInterval)
	found.flag(toFullEnabled, &r.Maintenance.FullEnabled)
}

func (s settings) text(to string, into *string) {
	if v, ok := s[to].value.(string); ok {
		*into = v
	}
}

func (s settings) number(to string, into *int64) {
	if v, ok := s[to].value.(json.Number); ok {
		*into, _ = wholeNumber(v)
	}
}

func (s settings) flag(to string, into **bool) {
	if v, ok := s[to].value.(bool); ok {
		*into = &v
	}
}

func (s settings) span(to string, into *time.Duration) {
	if v, ok := s[to].value.(time.Duration); ok {
		*into = v
	}
}

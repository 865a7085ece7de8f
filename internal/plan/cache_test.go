package plan_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// A cache always has hard limits that its volume holds: one without fills it,
// and the mover is evicted.
func TestACacheAlwaysHasLimits(t *testing.T) {
	t.Parallel()
	number := func(n int32) *int32 { return &n }
	const caching = `{"caching":{"maxCacheSize":2000000000,"metadataCacheSize":300000000}}`
	rows := map[string]struct {
		capacity          string
		content, metadata *int32
		structured        string
		wantContent       int64
		wantMetadata      int64
	}{
		"nothing given":                           {"1Gi", nil, nil, "", 429e6, 214e6},
		"given":                                   {"1Gi", number(300), number(100), "", 300e6, 100e6},
		"0 is chosen":                             {"1Gi", number(0), number(0), "", 429e6, 214e6},
		"structured":                              {"8Gi", nil, nil, caching, 2e9, 300e6},
		"given, over structured":                  {"8Gi", number(300), number(100), caching, 300e6, 100e6},
		"0 is chosen, also over structured":       {"1Gi", number(0), number(0), caching, 429e6, 214e6},
		"0 and structured decide about the size":  {"", number(0), nil, caching, 429e6, 300e6},
		"a capacity of less than a megabyte each": {"1Mi", nil, nil, "", 1e6, 1e6},
		"a capacity beyond all volumes":           {"6Ei", nil, nil, "", 2_767_011_611_056e6, 1_383_505_805_528e6},
	}
	for name, row := range rows {
		in := load(t, "snapshot")
		k := in.Document.Source.Spec.Kopia
		k.CacheCapacity, k.ContentCacheSizeLimitMB, k.MetadataCacheSizeLimitMB = nil, row.content, row.metadata
		if row.capacity != "" {
			k.CacheCapacity = quantity(row.capacity)
		}
		if row.structured != "" {
			k.PolicyConfig = &spec.PolicyConfig{RepositoryConfig: &row.structured}
		}
		p, findings := plan.BuildBackup(in)
		if p.Task == nil {
			t.Fatalf("%s: %v", name, findings)
		}
		if got := p.Task.Repository; got.ContentCacheBytes != row.wantContent || got.MetadataCacheBytes != row.wantMetadata {
			t.Errorf("%s: content %d, metadata %d; want %d, %d", name, got.ContentCacheBytes, got.MetadataCacheBytes, row.wantContent, row.wantMetadata)
		}
	}
}

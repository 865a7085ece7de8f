package kopiaexec

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// filled makes a cache with an entry of each kind that kopia keeps.
func filled(t *testing.T) Cache {
	t.Helper()
	c := NewCache(t.TempDir(), "key")
	if err := c.Prepare(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"contents", "metadata", "own-writes", "blob-list", "indexes", "index-blobs"} {
		if err := os.MkdirAll(filepath.Join(c.Dir(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	format := `{"uniqueID":"AQID/w==","keyAlgo":"scrypt-65536-8-1"}`
	for name, content := range map[string]string{"kopia.repository": format, "kopia.blobcfg": "x"} {
		if err := os.WriteFile(filepath.Join(c.Dir(), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestCacheDropsWhatHidesTheStorage(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		prepare func(Cache) error
		left    []string
	}{
		"before a run":                 {Cache.Prepare, []string{"contents", "index-blobs", "indexes", "metadata"}},
		"before a proof of blobs":      {func(c Cache) error { return c.PrepareProof(result.ProveBlobs) }, []string{"contents", "index-blobs", "indexes"}},
		"before a proof of contents":   {func(c Cache) error { return c.PrepareProof(result.ProveContent) }, []string{"index-blobs", "indexes"}},
		"for another one's repository": {Cache.Wipe, nil},
	}
	for name, row := range rows {
		c := filled(t)
		if err := row.prepare(c); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(c.Dir())
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if !slices.Equal(left, row.left) {
			t.Errorf("%s: left %v, want %v", name, left, row.left)
		}
	}
}

func TestCacheBelongsToOneRepository(t *testing.T) {
	t.Parallel()
	c := filled(t)
	id, err := c.UniqueID()
	if err != nil || id != "010203ff" {
		t.Fatalf("the id is %q, %v", id, err)
	}
	if c.Belongs(id, false) {
		t.Error("a cache with data and without an id belongs to a repository")
	}
	if !c.Belongs(id, true) {
		t.Error("an empty cache belongs to nobody")
	}
	if err := c.Claim(id); err != nil {
		t.Fatal(err)
	}
	if !c.Belongs(id, false) || c.Belongs("another", true) {
		t.Error("a claimed cache does not know its repository")
	}
}

func TestUniqueIDNeedsAFormatBlob(t *testing.T) {
	t.Parallel()
	c := filled(t)
	for _, content := range []string{"", "{}", `{"uniqueID":"!"}`} {
		if err := os.WriteFile(filepath.Join(c.Dir(), "kopia.repository"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := c.UniqueID(); err == nil {
			t.Errorf("%q gave the id %q", content, id)
		}
	}
}

func TestOneRunAtATimeHoldsACache(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first, second, other := NewCache(root, "place"), NewCache(root, "place"), NewCache(root, "elsewhere")
	hold := func(c Cache, want bool) {
		t.Helper()
		if got, err := c.Hold(); got != want || err != nil {
			t.Errorf("held %v, %v; want %v", got, err, want)
		}
	}
	hold(first, true)
	hold(second, false)
	hold(other, true)
	// Emptying the cache does not give it away.
	if err := first.Wipe(); err != nil {
		t.Fatal(err)
	}
	hold(second, false)
	first.Release()
	hold(second, true)
}

func TestCacheThatIsSetAsideComesBackOrGoes(t *testing.T) {
	t.Parallel()
	c := filled(t)
	if err := c.Claim("id"); err != nil {
		t.Fatal(err)
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(c.Dir(), name))
		return err == nil
	}
	do := func(what string, step func() error, kept bool) {
		t.Helper()
		if err := step(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if there("metadata") != kept || c.Belongs("id", false) != kept {
			t.Errorf("%s: the cache holds what it held: %v, want %v", what, there("metadata"), kept)
		}
	}
	do("set aside", c.SetAside, false)
	if !c.Empty() {
		t.Error("a cache that is set aside is not empty")
	}
	if err := os.WriteFile(filepath.Join(c.Dir(), "since"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	do("put back", c.PutBack, true)
	if there("since") {
		t.Error("what has come since is still there")
	}
	// A run that was killed in between has left the other half.
	do("set aside again", c.SetAside, false)
	do("set aside twice", c.SetAside, false)
	do("forgotten", c.Forget, false)
	entries, err := os.ReadDir(c.root)
	if err != nil || len(entries) != 1 {
		t.Errorf("the volume holds %v, %v", entries, err)
	}
}

func TestRemovedCacheLeavesNothing(t *testing.T) {
	t.Parallel()
	c := filled(t)
	if held, err := c.Hold(); err != nil || !held {
		t.Fatal(held, err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(c.root); err != nil || len(entries) > 0 {
		t.Errorf("the volume holds %v, %v", entries, err)
	}
	again := NewCache(c.root, "key")
	if held, err := again.Hold(); err != nil || !held {
		t.Errorf("the cache is still held: %v, %v", held, err)
	}
}

package kopiaexec

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Cache is the cache of one repository: a sub-directory of the cache volume
// that no other repository uses.
//
// Kopia trusts a cached format blob for 15 minutes. A cache that meets a second
// repository, or the same place with the repository deleted and made
// anew, would have it write contents under the keys of the first, unreadable for
// ever and without an error. Therefore the format blob is dropped before each
// run, and the repository's unique id is compared with the one kept here.
type Cache struct {
	root string // the volume
	dir  string // this repository's part of it
	lock *flock.Flock
}

// NewCache returns the cache of the place with the given key below root.
func NewCache(root, placeKey string) Cache {
	dir := filepath.Join(root, placeKey)
	return Cache{root: root, dir: dir, lock: flock.New(dir + ".lock")}
}

// Hold makes this run the only one that uses the cache, and reports whether it
// could: what a run drops for its proof must not be another's under its feet.
// Release, or the death of the process, gives it back.
func (c Cache) Hold() (bool, error) {
	if err := os.MkdirAll(c.root, 0o700); err != nil {
		return false, fmt.Errorf("make the cache directory: %w", err)
	}
	held, err := c.lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("lock the cache: %w", err)
	}
	return held, nil
}

// Release gives the cache back. It may be called on the zero Cache.
func (c Cache) Release() {
	if c.lock != nil {
		_ = c.lock.Unlock()
	}
}

// Dir is the directory that kopia uses.
func (c Cache) Dir() string { return filepath.Join(c.dir, "kopia") }

func (c Cache) idFile() string { return filepath.Join(c.dir, "repository-id") }

// Prepare makes the directory and drops what kopia would otherwise trust
// without looking at the storage: the format blobs and the listings.
func (c Cache) Prepare() error {
	if err := os.MkdirAll(c.Dir(), 0o700); err != nil {
		return fmt.Errorf("make the cache directory: %w", err)
	}
	return c.drop("kopia.repository", "kopia.blobcfg", "blob-list", "own-writes")
}

// PrepareProof drops, besides, whatever could hide that a blob is gone from the
// storage: the list of this client's own writes hides a lost index, the
// metadata cache a lost manifest or directory, and for a proof of the contents
// the content cache lost data. Index blobs stay: only those that a fresh
// listing names are used.
func (c Cache) PrepareProof(proof result.Proof) error {
	names := []string{"kopia.repository", "kopia.blobcfg", "blob-list", "own-writes", "metadata"}
	if proof == result.ProveContent {
		names = append(names, "contents")
	}
	return c.drop(names...)
}

func (c Cache) drop(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(c.Dir(), name)); err != nil {
			return fmt.Errorf("drop %s from the cache: %w", name, err)
		}
	}
	return nil
}

// Wipe empties the cache.
func (c Cache) Wipe() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("empty the cache: %w", err)
	}
	return c.Prepare()
}

// aside is where SetAside puts what the cache holds.
func (c Cache) aside() string { return c.dir + ".aside" }

// SetAside makes the cache empty in such a way that PutBack can undo it; Forget
// makes it final. The cache must be held.
func (c Cache) SetAside() error {
	if err := c.Forget(); err != nil {
		return err
	}
	if err := os.Rename(c.dir, c.aside()); err != nil {
		return fmt.Errorf("set the cache aside: %w", err)
	}
	return c.Prepare()
}

// PutBack gives the cache what SetAside has taken from it, in place of what has
// come since.
func (c Cache) PutBack() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("empty the cache: %w", err)
	}
	if err := os.Rename(c.aside(), c.dir); err != nil {
		return fmt.Errorf("put the cache back: %w", err)
	}
	return nil
}

// Forget removes what SetAside has set aside.
func (c Cache) Forget() error {
	if err := os.RemoveAll(c.aside()); err != nil {
		return fmt.Errorf("remove the cache that was set aside: %w", err)
	}
	return nil
}

// Remove removes the cache for good, and gives it back. It must be held, and
// nobody may come for it: a cache of that name would not be the one that others
// wait for.
func (c Cache) Remove() error {
	defer c.Release()
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove the cache: %w", err)
	}
	if err := os.Remove(c.dir + ".lock"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the cache's lock: %w", err)
	}
	return nil
}

// Empty reports whether the cache holds nothing of an earlier run.
func (c Cache) Empty() bool {
	entries, err := os.ReadDir(c.Dir())
	return err == nil && len(entries) == 0
}

// UniqueID reads the id of the repository that kopia has just opened, in hex,
// out of the format blob that it fetched.
func (c Cache) UniqueID() (string, error) {
	return formatID(filepath.Join(c.Dir(), "kopia.repository"))
}

// formatID reads the unique id out of a format blob.
func formatID(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the format blob: %w", err)
	}
	var format struct {
		UniqueID string `json:"uniqueID"`
	}
	if err := json.Unmarshal(data, &format); err != nil {
		return "", fmt.Errorf("decode the format blob: %w", err)
	}
	id, err := base64.StdEncoding.DecodeString(format.UniqueID)
	if err != nil || len(id) == 0 {
		return "", errors.New("the format blob has no unique id")
	}
	return hex.EncodeToString(id), nil
}

// Belongs reports whether the cache was filled from the repository with the
// id. A cache that has never been used belongs to any; one that holds
// data but no id belongs to none.
func (c Cache) Belongs(id string, wasEmpty bool) bool {
	kept, err := os.ReadFile(c.idFile())
	if err != nil {
		return wasEmpty
	}
	return strings.TrimSpace(string(kept)) == id
}

// Claim writes down whose cache it is.
func (c Cache) Claim(id string) error {
	if err := os.WriteFile(c.idFile(), []byte(id+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the cache's repository id: %w", err)
	}
	return nil
}

// Use adds up the sizes of all files on the volume, in bytes. Files that come
// and go meanwhile are passed over.
func (c Cache) Use() int64 {
	var total int64
	_ = filepath.WalkDir(c.root, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // kopia's cache changes while it is looked at
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

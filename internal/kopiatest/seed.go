package kopiatest

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// seeds are empty repositories in memory, by kopia and password: creating one
// takes kopia longer than most tests need, copying one takes nothing.
//
//nolint:gochecknoglobals // shared by all tests of a binary
var seeds = struct {
	sync.Mutex
	by map[string]map[string][]byte
}{by: map[string]map[string][]byte{}}

// Seed makes the repository like Create, as a copy of one made before. All
// repositories seeded in one test binary have the same unique id and keys: a
// test about several repositories must Create them.
func (r *Repository) Seed(t testing.TB) {
	t.Helper()
	for name, content := range r.seed(t) {
		path := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *Repository) seed(t testing.TB) map[string][]byte {
	t.Helper()
	seeds.Lock()
	defer seeds.Unlock()
	key := r.Kopia + "\x00" + r.Password
	if seeds.by[key] != nil {
		return seeds.by[key]
	}
	first := NewRepository(t, r.Kopia, filepath.Join(t.TempDir(), "seed"), r.Password)
	first.Create(t)
	seed := map[string][]byte{}
	root := os.DirFS(first.Dir)
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		seed[path], err = fs.ReadFile(root, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seeds.by[key] = seed
	return seed
}

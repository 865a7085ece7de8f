package kopiatest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Tree fills dir with a small tree that has one of everything a backup meets:
// modes, links, an empty file and directory, spaces and non-ASCII names, old
// times, and a file that compresses badly.
func Tree(t testing.TB, dir string) {
	t.Helper()
	noise := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 200_000)
	for i := range random {
		random[i] = byte(noise.Uint32())
	}
	Write(t, filepath.Join(dir, "a.txt"), "first\n")
	Write(t, filepath.Join(dir, "empty"), "")
	Write(t, filepath.Join(dir, "sub dir", "ümlaut \u2603.txt"), "snow\n")
	Write(t, filepath.Join(dir, "sub dir", "random.bin"), string(random))
	Write(t, filepath.Join(dir, "script.sh"), "#!/bin/sh\necho hi\n")
	old := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	steps := []error{
		os.Chmod(filepath.Join(dir, "script.sh"), 0o750),
		os.Mkdir(filepath.Join(dir, "nothing in here"), 0o700),
		os.Symlink("sub dir/random.bin", filepath.Join(dir, "link")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling")),
		os.Chtimes(filepath.Join(dir, "a.txt"), old, old),
		os.Chtimes(filepath.Join(dir, "sub dir"), old, old),
	}
	for _, err := range steps {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Write writes a file and makes the directories above it.
func Write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Entry is what is compared of one file. Extended attributes are not: kopia
// does not keep them.
type Entry struct {
	Mode     fs.FileMode
	UID, GID uint32
	Size     int64
	// Content is a digest of a file, or the target of a link.
	Content string
	ModTime time.Time
}

// Compare fails the test with every difference between the trees: names, kinds,
// modes, owners, contents, link targets and the files' times of modification.
// Left out are the root directories' own attributes, and the times of directories:
// kopia gives a directory the time of the newest file in it.
func Compare(t testing.TB, want, got string) {
	t.Helper()
	if diff := cmp.Diff(Entries(t, want), Entries(t, got)); diff != "" {
		t.Errorf("the trees differ (-%s +%s):\n%s", want, got, diff)
	}
}

// Entries lists a tree by relative path.
func Entries(t testing.TB, root string) map[string]Entry {
	t.Helper()
	entries := map[string]Entry{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		entries[rel], err = entry(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func entry(path string) (Entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.UID, e.GID = st.Uid, st.Gid
	}
	switch {
	case info.Mode().IsRegular():
		data, err := os.ReadFile(path)
		if err != nil {
			return e, err
		}
		sum := sha256.Sum256(data)
		e.Size, e.Content, e.ModTime = info.Size(), hex.EncodeToString(sum[:8]), info.ModTime().UTC()
	case info.Mode()&fs.ModeSymlink != 0:
		e.Content, err = os.Readlink(path)
	case !info.IsDir():
		err = fmt.Errorf("%s is a %s, which no test makes", path, info.Mode().Type())
	}
	return e, err
}

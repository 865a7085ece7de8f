package toolchain_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// copied is a cache that is empty, for pins that a test may change.
func copied(t *testing.T) toolchain.Cache {
	t.Helper()
	cache, err := toolchain.Open()
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	if err := os.CopyFS(filepath.Join(source, "tools"), os.DirFS(filepath.Join(cache.Source, "tools"))); err != nil {
		t.Fatal(err)
	}
	return toolchain.Cache{Source: source, Dir: t.TempDir()}
}

func TestEveryToolIsPinned(t *testing.T) {
	cache := copied(t)
	for _, name := range toolchain.All() {
		path, err := cache.Program(name, "x")
		if err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(path, filepath.Join(cache.Dir, name)+"-") {
			t.Errorf("%s is kept in %s", name, path)
		}
	}
}

func TestChangedPinNamesAnotherFolder(t *testing.T) {
	cache := copied(t)
	before, err := cache.Program(toolchain.CNI, "bridge")
	if err != nil {
		t.Fatal(err)
	}
	sums := filepath.Join(cache.Source, "tools", "cni", "go.sum")
	data, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sums, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := cache.Program(toolchain.CNI, "bridge"); err != nil || after == before {
		t.Errorf("an old program is taken for the changed pins (%v)", err)
	}
}

// The CRDs are the one tool that is ready at once.
func TestEnsureFillsTheCacheOnce(t *testing.T) {
	cache := copied(t)
	names := []string{toolchain.SnapshotCRDs, toolchain.CNI}
	missing, err := cache.Missing(names...)
	if diff := cmp.Diff(names, missing); diff != "" || err != nil {
		t.Errorf("missing in an empty cache: %s%v", diff, err)
	}
	if err := cache.Ensure(t.Context(), toolchain.Options{Progress: io.Discard}, toolchain.SnapshotCRDs); err != nil {
		t.Fatal(err)
	}
	missing, err = cache.Missing(names...)
	if diff := cmp.Diff([]string{toolchain.CNI}, missing); diff != "" || err != nil {
		t.Errorf("missing then: %s%v", diff, err)
	}
	path, err := cache.Program(toolchain.SnapshotCRDs, "snapshot.storage.k8s.io_volumesnapshots.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := cache.Ensure(t.Context(), toolchain.Options{Progress: io.Discard}, toolchain.SnapshotCRDs); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a cached tool was made again")
	}
}

func TestFailedBuildIsNotCached(t *testing.T) {
	cache := copied(t)
	if err := os.Remove(filepath.Join(cache.Source, "tools", "cni", "go.sum")); err != nil {
		t.Fatal(err)
	}
	err := cache.Ensure(t.Context(), toolchain.Options{Progress: io.Discard}, toolchain.CNI)
	if err == nil || !strings.Contains(err.Error(), "go.sum") {
		t.Errorf("got %v, want what go said", err)
	}
	if missing, err := cache.Missing(toolchain.CNI); err != nil || len(missing) == 0 {
		t.Errorf("a failed build counts as done (%v)", err)
	}
	left, err := os.ReadDir(cache.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if entry.IsDir() {
			t.Errorf("%s is left", entry.Name())
		}
	}
}

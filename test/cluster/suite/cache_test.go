package suite

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestACacheWithoutAClaimGoesWithTheRun: it is an emptyDir with a limit.
func TestACacheWithoutAClaimGoesWithTheRun(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Direct", Kopia: "    cacheCapacity: 2Gi\n"})
	r := n.backup(0)
	cache := volumeOf(t, n.job(r), "cache")
	// The capacity, and a quarter more for the index cache, which has no limit.
	if cache.EmptyDir == nil || cache.EmptyDir.SizeLimit.String() != "2560Mi" || cache.EmptyDir.Medium != "" {
		t.Errorf("the cache is %+v, want an emptyDir of 2560Mi", cache)
	}
	if r.Cache == nil || r.Cache.UsedBytes == 0 || r.Cache.CapacityBytes != 2<<30 {
		t.Errorf("the Result says of the cache: %+v", r.Cache)
	}
	claims, err := shared.typed.CoreV1().PersistentVolumeClaims(n.name).List(t.Context(), metav1.ListOptions{})
	n.must(err)
	if len(claims.Items) != 2 {
		t.Errorf("%d claims, want data and repo only", len(claims.Items))
	}
}

// TestTheSecondRunUsesTheKeptCache: the claim stays, and kopia reads from it what
// the first run has put there. A file that kopia finds in its cache gets a new
// time when it was last used long ago.
func TestTheSecondRunUsesTheKeptCache(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot", Kopia: keptCache + "    cacheCapacity: 512Mi\n"})
	history, name := n.kept("app")
	if first := n.backup(0, "--keep-job=0"); first.Outcome != result.Succeeded {
		t.Fatalf("%+v", first)
	}
	claim, err := shared.typed.CoreV1().PersistentVolumeClaims(n.name).Get(t.Context(), name, metav1.GetOptions{})
	n.must(err)
	if got := claim.Spec.Resources.Requests.Storage().String(); got != "512Mi" {
		t.Errorf("the cache claim asks for %s", got)
	}
	dir := n.directory(claim.Spec.VolumeName)
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	aged := filesOf(t, dir)
	if len(aged) == 0 {
		t.Fatal("the first run has left no file in the cache")
	}
	for _, path := range aged {
		n.must(os.Chtimes(path, old, old))
	}
	before := n.atRest().objects()
	second := n.backup(0)
	if second.Outcome != result.Succeeded || second.Cache == nil || second.Cache.UsedBytes == 0 {
		t.Fatalf("%+v", second)
	}
	cache := volumeOf(t, n.job(second), "cache")
	if cache.PersistentVolumeClaim == nil || cache.PersistentVolumeClaim.ClaimName != name {
		t.Errorf("the second run's cache is %+v, want claim %s", cache, name)
	}
	n.differs(before, "made jobs.batch/"+n.job(second).Name, "changed configmaps/"+history)
	used := 0
	for _, path := range aged {
		// What lies beside these is written by every run.
		metadata := strings.Contains(path, "/kopia/metadata/") && strings.HasSuffix(path, ".f")
		if info, err := os.Stat(path); err == nil && metadata && info.ModTime().After(old) {
			used++
		}
	}
	if used == 0 {
		t.Errorf("the second run has used none of the metadata in the cache:\n%s", cmp.Diff(aged, filesOf(t, dir)))
	}
}

// filesOf lists the files below a directory.
func filesOf(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

package mover_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestMaintenanceFindsTheRepositoryOnAClaim: at its root, where the Secret says, or where
// a repositoryPVC has it; and nowhere else, for none is made.
func TestMaintenanceFindsTheRepositoryOnAClaim(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dir, url string
		code     int
	}{
		"at the root":                   {dir: ".", url: "/kopia/repository"},
		"of a repositoryPVC":            {dir: "repository", url: "/kopia/repository"},
		"where the Secret says":         {dir: "deep/down", url: "deep/down"},
		"where nobody says":             {dir: "deep/down", url: "/kopia/repository", code: 7},
		"where the Secret says nothing": {dir: "repository", url: "elsewhere", code: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t, kopiatest.Kopia(t))
			claim := filepath.Join(w.dir, "claim")
			w.repo = kopiatest.NewRepository(t, w.kopia, filepath.Join(claim, c.dir), canary)
			if err := os.MkdirAll(w.repo.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			w.repo.Seed(t)
			url := c.url
			if !filepath.IsAbs(url) {
				url = filepath.Join(claim, url)
			}
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+url)
			maintained(w).task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: claim, Mounted: true}
			o := w.run(t)
			if o.ExitCode != c.code || (c.code == 0) != (len(w.record(t).cycles()) > 0) {
				t.Errorf("exit %d, want %d: %s, on record %v", o.ExitCode, c.code, o.Message, w.record(t).cycles())
			}
		})
	}
}

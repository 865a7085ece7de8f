package kopiaexec_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// Kopia would log every new content to a file. In the mover its logs would lie in
// a small memory volume, which a big first backup must not fill; what it has to
// say comes on standard error.
func TestABackupWritesNoLogFiles(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		c := newClient(t, kopia, false)
		kopiatest.Write(t, c.dir+"/data/file", "contents")
		out, err := c.runner.Run(t.Context(), kopiaexec.Call{Command: argv.SnapshotCreate(c.paths, argv.SnapshotOptions{Path: c.dir + "/data"})})
		if err != nil || !out.OK() {
			t.Fatalf("kopia ended with %d, %v\n%s", out.ExitCode, err, strings.Join(out.Log, "\n"))
		}
		if entries, err := os.ReadDir(c.paths.LogDir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there, with %v, %v", c.paths.LogDir, entries, err)
		}
		if !slices.ContainsFunc(out.Log, func(line string) bool { return strings.HasPrefix(line, "Snapshotting ") }) {
			t.Errorf("kopia's messages are %q", out.Log)
		}
	})
}

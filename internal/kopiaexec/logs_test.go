package kopiaexec_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// Kopia logs every new content. In the mover its logs lie in a small memory
// volume, which a big first backup must not fill.
func TestLogsOfABigBackupStaySmall(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		const segment = 2_000_000
		c := newClient(t, kopia, false)
		for i := range 10_000 {
			kopiatest.Write(t, fmt.Sprintf("%s/data/%02d/%05d", c.dir, i%100, i), fmt.Sprintf("the contents of file %d", i))
		}
		out, err := c.runner.Run(t.Context(), kopiaexec.Call{Command: argv.SnapshotCreate(c.paths, argv.SnapshotOptions{Path: c.dir + "/data"})})
		if err != nil || !out.OK() {
			t.Fatalf("kopia ended with %d, %v\n%s", out.ExitCode, err, strings.Join(out.Log, "\n"))
		}
		var segments int
		var total int64
		err = filepath.WalkDir(c.paths.LogDir, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if total += info.Size(); info.Size() > segment {
				t.Errorf("%s has %d bytes", entry.Name(), info.Size())
			}
			if info.Size() > segment/2 {
				segments++
			}
			return nil
		})
		if err != nil || segments == 0 || total > 5*segment {
			t.Errorf("%v: the logs have %d bytes in %d full segments", err, total, segments)
		}
	})
}

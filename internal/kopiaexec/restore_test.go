package kopiaexec_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What ends a restore is told, also when kopia prints it behind its progress.
func TestDiagnoseARestoreThatFailsAfterProgress(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		c := newClient(t, kopia, false)
		for i := range 50 {
			kopiatest.Write(t, fmt.Sprintf("%s/data/more/%02d", c.dir, i), strings.Repeat(strconv.Itoa(i), 1000))
		}
		c.repo.Run(t, "snapshot", "create", c.dir+"/data")
		before := c.repo.Blobs(t, "p")
		kopiatest.Write(t, c.dir+"/data/zz/lost", "the only file in a blob of its own")
		c.repo.Run(t, "snapshot", "create", c.dir+"/data")
		remove(t, slices.DeleteFunc(c.repo.Blobs(t, "p"), func(blob string) bool { return slices.Contains(before, blob) }))
		snapshots := c.repo.Snapshots(t)
		var last result.Progress
		c.runner.OnProgress = func(p result.Progress) { last = p }
		out, err := c.runner.Run(t.Context(), kopiaexec.Call{Command: argv.SnapshotRestore(c.paths, argv.RestoreOptions{
			Source: snapshots[len(snapshots)-1].ID, Target: t.TempDir(), Progress: true,
			Extra: []string{"--progress-update-interval=1ns", "--parallel=1"},
		})})
		if err != nil || out.OK() || last.HashedFiles == 0 {
			t.Fatalf("kopia ended with %d, %v, after progress %+v\n%s", out.ExitCode, err, last, strings.Join(out.Log, "\n"))
		}
		if got := kopiaexec.Diagnose(out.Log); got.Reason != kopiaexec.ReasonBlobMissing {
			t.Errorf("diagnosed %+v:\n%s", got, strings.Join(out.Log, "\n"))
		}
	})
}

package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What kopia had finished when the signal came is no part of a snapshot.
func TestAFinishedRestoreStaysOneWhateverComesThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.run(t).want(t, result.Succeeded, 0, "")
	w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
	w.shim(t, `case "$*" in *"snapshot restore"*)
trap "" TERM; "$KOPIA" "$@" 2>"$DIR/said"; cat "$DIR/said" >&2; sleep 1; exit 0;; esac`)
	o := runCancelledFast(t, w, "kopia: Restored")
	o.want(t, result.Succeeded, 0, "")
	if strings.Contains(o.Message, "a part of") {
		t.Errorf("message %q", o.Message)
	}
	kopiatest.Compare(t, w.data, w.task.Restore.TargetDir)
}

// Kopia makes an archive of what is named as one, unless it is told otherwise.
func TestRestoreToADirectoryThatIsNamedAsAnArchive(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.run(t).want(t, result.Succeeded, 0, "")
		w.task.Operation = result.OperationRestore
		for _, name := range []string{"old.tar", "old.zip", "old.tgz", "old.tar.gz"} {
			target := filepath.Join(w.dir, name)
			if err := os.Mkdir(target, 0o755); err != nil {
				t.Fatal(err)
			}
			w.task.Restore = &result.RestoreTask{TargetDir: target}
			w.run(t).want(t, result.Succeeded, 0, "")
			kopiatest.Compare(t, w.data, target)
		}
	})
}

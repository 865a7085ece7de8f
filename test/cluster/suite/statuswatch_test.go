package suite

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestStatusIsWatched: what changes is printed by the commands that look on, a failure
// too, until they are interrupted.
func TestStatusIsWatched(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct"})
	watches := map[syscall.Signal]*statusWatch{syscall.SIGINT: n.watchStatus(), syscall.SIGTERM: n.watchStatus("--exit-code")}
	all := func(outcome, snapshot string) {
		for _, w := range watches {
			w.untilRow(outcome, snapshot)
		}
	}
	all("-", "-")
	r := n.backup(0, "--keep-job=0")
	all(string(result.Succeeded), r.Snapshot.ID)
	n.secretIs("KOPIA_PASSWORD", "another")
	n.backup(7, "--keep-job=0")
	all(string(result.Failed), r.Snapshot.ID)
	for signal, w := range watches {
		n.must(w.cmd.Process.Signal(signal))
		if end := w.wait(); end.code != 0 || strings.Contains(end.stderr, "error") {
			t.Errorf("status --watch ended with %d at signal %s\n%s", end.code, signal, end.stderr)
		}
	}
}

// statusWatch is a status --watch that runs beside the test.
type statusWatch struct {
	*running
	n *space
	// shown is the file that it prints to.
	shown string
}

// watchStatus starts to watch the namespace's source.
func (n *space) watchStatus(args ...string) *statusWatch {
	n.t.Helper()
	w := &statusWatch{n: n, shown: filepath.Join(n.t.TempDir(), "status")}
	out, err := os.Create(w.shown)
	n.must(err)
	n.t.Cleanup(func() { _ = out.Close() })
	w.running = prepare(n.t, n.kubeconfig, append([]string{"status", "app", "-n", n.name, "--watch", "--interval=1s"}, args...)...)
	w.cmd.Stdout = out
	w.begin()
	return w
}

// untilRow waits until the last row that is shown has this outcome and this proved
// snapshot.
func (w *statusWatch) untilRow(outcome, snapshot string) {
	w.n.t.Helper()
	want := []string{w.n.name, "app", outcome, snapshot}
	w.n.until("status --watch shows "+strings.Join(want, " "), func(context.Context) bool {
		text, err := os.ReadFile(w.shown)
		w.n.must(err)
		lines := strings.Split(string(text), "\n")
		row := strings.Fields(lines[max(len(lines)-2, 0)]) // after the last line break there is nothing, or half a line
		return len(row) > len(want) && slices.Equal(row[:len(want)], want)
	})
}

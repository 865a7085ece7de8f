package suite

import (
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// yieldRepository gives a repository that was made on this machine to the mover's
// user.
func (n *space) yieldRepository() {
	n.t.Helper()
	n.must(filepath.WalkDir(n.repository, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(path, moverUser, moverUser)
		}
		return err
	}))
}

// moverUser is the image's.
const moverUser = 65532

// TestTwoSourcesAtOnce: both movers are seen to run, then both succeed.
func TestTwoSourcesAtOnce(t *testing.T) {
	t.Parallel()
	n := newSpace(t, gated(shape{}))
	n.client().Create(t)
	n.yieldRepository()
	n.twice(named("first"), named("second"))
	before := n.atRest().inventory()
	both := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--max-parallel=2", "--actions-on-live-volume", "--create-repository=never")
	n.untilRuns("Running", "Running")
	n.open()
	var report several
	both.wait().decode(t, 0, &report)
	n.bothSucceeded(report)
	n.leftNothing(before)
}

// TestTwoSourcesAtOnceMakeTheirRepository: neither finds one, and only one can
// make it.
func TestTwoSourcesAtOnceMakeTheirRepository(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot"})
	n.twice(named("first"), named("second"))
	before := n.atRest().inventory()
	var report several
	call(t, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--max-parallel=2").decode(t, 0, &report)
	n.bothSucceeded(report)
	n.leftNothing(before)
}

// bothSucceeded fails the test unless the report is of two sources, first and
// second, each with a snapshot of its own that restores.
func (n *space) bothSucceeded(report several) {
	n.t.Helper()
	if report.Kind != "Report" || report.ExitCode != 0 || len(report.Items) != 2 {
		n.t.Fatalf("%+v", report)
	}
	for i, name := range []string{"first", "second"} {
		r := report.Items[i]
		if r.Outcome != result.Succeeded || r.Object.Name != name || r.Identity.Username != name {
			n.t.Fatalf("%s: %+v", name, r)
		}
		kopiatest.Compare(n.t, n.data, n.restored(r.Snapshot.ID))
	}
}

// TestTheSecondRunOfASourceIsRefused while the first one's mover runs, and while
// the first one still prepares its copy.
func TestTheSecondRunOfASourceIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("its mover runs", func(t *testing.T) {
		t.Parallel()
		n := newSpace(t, gated(shape{}))
		before := n.atRest().inventory()
		first := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--actions-on-live-volume")
		holder := n.untilRuns("Running")[0]
		n.untilWaiting(holder.ID)
		n.refused(holder.ID, "--actions-on-live-volume")
		n.open()
		r := first.wait().result(t, 0)
		if r.RunID != holder.ID {
			t.Errorf("the first run is %s, the one that was named %s", r.RunID, holder.ID)
		}
		n.leftNothing(before)
	})
	t.Run("its copy is not ready", func(t *testing.T) {
		t.Parallel()
		n := newSpace(t, shape{CopyMethod: "Snapshot"})
		before := n.atRest().inventory()
		p := newProxy(t)
		held, release := make(chan struct{}), make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		defer letGo() // the proxy ends only when it has answered
		p.spoil = func(_ http.ResponseWriter, r *http.Request, change int) bool {
			if change > 0 && resourceOf(r.URL.Path) == "volumesnapshots" && r.Method == http.MethodPost {
				close(held)
				<-release
			}
			return false
		}
		first := start(t, p.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
		select {
		case <-held:
		case <-first.done:
			t.Fatalf("the command ended before it made its copy: %+v", first.wait())
		}
		n.refused(n.untilRuns("Prepared")[0].ID)
		letGo()
		first.wait().result(t, 0)
		n.leftNothing(before)
	})
}

// refused fails the test unless another run of the source is refused, says by
// whom and what to do, and changes nothing.
func (n *space) refused(holder string, args ...string) {
	n.t.Helper()
	before := n.atRest().inventory()
	end := call(n.t, append([]string{"backup", "-f", n.file, "-o", "json"}, args...)...)
	r := end.result(n.t, 5)
	if r.Outcome != result.Refused {
		n.t.Errorf("%+v", r)
	}
	who, err := user.Current()
	n.must(err)
	host, err := os.Hostname()
	n.must(err)
	for _, want := range []string{holder, who.Username + "@" + host, "runs attach " + holder} {
		if !strings.Contains(end.stderr, want) {
			n.t.Errorf("the refusal does not name %q:\n%s", want, end.stderr)
		}
	}
	n.leftNothing(before)
}

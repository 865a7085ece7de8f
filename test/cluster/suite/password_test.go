package suite

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// passwordKnown is the longest time until the user knows that the password is
// wrong.
const passwordKnown = 10 * time.Second

// TestAWrongPasswordIsKnownAtOnce is not run beside others: it looks at the time.
//
//nolint:paralleltest // see above
func TestAWrongPasswordIsKnownAtOnce(t *testing.T) {
	for _, method := range []string{"Direct", "Snapshot"} {
		t.Run(method, func(t *testing.T) {
			n := newSource(t, shape{CopyMethod: method})
			if first := n.backup(0, "--keep-job=0"); first.Outcome != result.Succeeded {
				t.Fatalf("%+v", first)
			}
			n.secretIs("KOPIA_PASSWORD", "canary-wrong-password")
			before, blobs := n.atRest().objects(), filesOf(t, n.repository)
			began := time.Now()
			end := call(t, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
			took := time.Since(began)
			r := end.result(t, 7)
			if r.Outcome != result.Failed || r.Reason != "WrongPassword" || r.Snapshot != nil {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(end.stderr, "password") || !strings.Contains(end.stderr, "kopia-config") {
				t.Errorf("what is wrong, and where it stands, is not said:\n%s", end.stderr)
			}
			if took > passwordKnown {
				t.Errorf("it took %s until the user knew, want at most %s", took, passwordKnown)
			}
			t.Logf("%s: known after %s", method, took)
			history, _ := n.kept("app")
			n.differs(before, "changed configmaps/"+history, "changed replicationsources.volsync.backube/app")
			if diff := cmp.Diff(blobs, filesOf(t, n.repository)); diff != "" {
				t.Errorf("the repository was written (-before +now):\n%s", diff)
			}
		})
	}
}

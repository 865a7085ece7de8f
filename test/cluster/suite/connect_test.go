package suite

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// connected is what a plan says that has asked the repository.
type connected struct {
	Repository struct {
		Backend, UniqueID string
		Exists            *bool
		Absent            *result.Absence
	}
	Policy []struct {
		Target string
		Values []struct {
			Path, After string
			Now         *string
			Unchanged   bool
		}
	}
}

// TestPlanConnect: a plan that has asked the repository says what a run then
// finds; asking changes nothing, in the cluster and in the repository.
func TestPlanConnect(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct", Kopia: "    retain: {daily: 7}"})
	before, blobs := n.atRest().objects(), filesOf(t, filepath.Dir(n.repository))
	absent := n.connect(0)
	if r := absent.Repository; r.Exists == nil || *r.Exists || r.Absent == nil || r.Absent.Barred != "" || r.Backend != "filesystem" {
		t.Errorf("before the first run: %+v", r)
	}
	n.known(absent, "")
	n.differs(before)
	n.sameBlobs(blobs)

	first := n.backup(0, "--keep-job=0")
	before, blobs = n.atRest().objects(), filesOf(t, filepath.Dir(n.repository))
	there := n.connect(0)
	if r := there.Repository; r.Exists == nil || !*r.Exists || r.UniqueID != first.Repository.UniqueID {
		t.Errorf("after it: %+v, the run has found %+v", r, first.Repository)
	}
	n.known(there, "7")
	if v := there.Policy[0].Values[0]; !v.Unchanged {
		t.Errorf("a value that a run would leave is shown as %+v", v)
	}
	n.differs(before)
	n.sameBlobs(blobs)

	n.secretIs("KOPIA_PASSWORD", "canary-wrong-password")
	before = n.atRest().objects()
	began := time.Now()
	wrong := n.connect(7)
	if took := time.Since(began); took > 2*passwordKnown {
		t.Errorf("it took %s until the user knew", took)
	}
	if wrong.Repository.Exists != nil {
		t.Errorf("with a wrong password: %+v", wrong.Repository)
	}
	n.differs(before)
	n.sameBlobs(blobs)
}

// connect plans with --connect; code is the exit code that is wanted.
func (n *space) connect(code int) connected {
	n.t.Helper()
	end := call(n.t, "plan", "-f", n.file, "--connect", "-o", "json")
	if end.code != code {
		n.t.Fatalf("exit code %d, want %d\n%s\n%s", end.code, code, end.stdout, end.stderr)
	}
	if code == 7 && !strings.Contains(end.stderr, "invalid repository password") {
		n.t.Errorf("what is wrong is not said:\n%s", end.stderr)
	}
	var p connected
	if err := json.Unmarshal([]byte(end.stdout), &p); err != nil {
		n.t.Fatalf("%v\n%s", err, end.stdout)
	}
	return p
}

// known fails the test unless the plan's one policy value is now as given.
func (n *space) known(p connected, now string) {
	n.t.Helper()
	if len(p.Policy) != 1 || len(p.Policy[0].Values) != 1 || p.Policy[0].Values[0].Now == nil || *p.Policy[0].Values[0].Now != now {
		n.t.Errorf("policies %+v, want one value that is %q now", p.Policy, now)
	}
}

// sameBlobs fails the test when the files of the repository's volume are others.
func (n *space) sameBlobs(before []string) {
	n.t.Helper()
	if diff := cmp.Diff(before, filesOf(n.t, filepath.Dir(n.repository))); diff != "" {
		n.t.Errorf("the repository was written (-before +now):\n%s", diff)
	}
}

// TestAKilledPlanConnectLeavesNothing: its Job ends by itself, and cleanup finds
// it.
func TestAKilledPlanConnectLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct"})
	before := n.atRest().inventory()
	asking := start(t, n.kubeconfig, "plan", "-f", n.file, "--connect")
	n.until("the probe's Job is there", func(ctx context.Context) bool {
		jobs, err := shared.typed.BatchV1().Jobs(n.name).List(ctx, metav1.ListOptions{LabelSelector: "volsync-kopia/role=probe"})
		n.must(err)
		return len(jobs.Items) == 1
	})
	n.must(asking.cmd.Process.Kill())
	asking.wait()
	n.until("cleanup finds it", func(context.Context) bool {
		end := call(n.t, "cleanup", "-n", n.name, "--yes")
		return end.code == 0 && strings.Contains(end.stdout, "Job "+n.name+"/vk-probe-app-")
	})
	n.leftNothing(before)
}

// TestPlanConnectWithTheLeastRightsBesideARun: the Role that doctor prints for a
// run is enough to ask, and a run of the source that goes on meanwhile is not in
// the way and not disturbed.
func TestPlanConnectWithTheLeastRightsBesideARun(t *testing.T) {
	t.Parallel()
	n := newSource(t, gated(shape{Kopia: "    cacheAccessModes: [ReadWriteOnce]\n"}))
	f := &faulted{space: n}
	least := f.caller("asker", rightsOf(f.printedRoles().role))
	own := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--actions-on-live-volume")
	n.untilWaiting(n.untilRuns("Running")[0].ID)
	before := n.atRest().objects()
	began := time.Now()
	end := callAs(t, least, "plan", "-f", n.file, "--connect", "-o", "json", "--actions-on-live-volume")
	var p connected
	end.decode(t, 0, &p)
	t.Logf("asked in %s", time.Since(began))
	if r := p.Repository; r.Exists == nil || !*r.Exists {
		t.Errorf("%+v", r)
	}
	for _, change := range changes(before, n.objects()) {
		if strings.Contains(change, "probe") {
			t.Errorf("left: %s", change)
		}
	}
	n.open()
	if r := own.wait().result(t, 0); r.Outcome != result.Succeeded {
		t.Errorf("the run beside it ended with %+v", r)
	}
}

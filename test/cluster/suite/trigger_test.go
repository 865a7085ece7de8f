package suite

import (
	"net/http"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestBackupByName runs the object that the cluster has; no file is given.
func TestBackupByName(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	before := n.atRest().objects()
	r := call(t, "backup", "app", "-n", n.name, "-o", "json", "--keep-job=0").result(t, 0)
	history, _ := n.kept("app")
	n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	if r.Object.Name != "app" || r.Object.Namespace != n.name {
		t.Errorf("%+v", r.Object)
	}
	n.listedAndRestored(r)
	if end := call(t, "backup", "nobody", "-n", n.name); end.code != 5 || !strings.Contains(end.stderr, "nobody") {
		t.Errorf("a name that is not there ended with %d\n%s", end.code, end.stderr)
	}
}

// TestAManualTriggerIsServedOnce by its name and by its file, until the tag is
// another; --force runs it all the same.
func TestAManualTriggerIsServedOnce(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct", Trigger: "{manual: first}"})
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	before := n.atRest().objects()
	for _, args := range [][]string{{"-f", n.file}, {"app", "-n", n.name}} {
		p := newProxy(t)
		r := callAs(t, p.kubeconfig, append([]string{"backup", "-o", "json"}, args...)...).result(t, 0)
		if r.Outcome != result.Skipped || !strings.Contains(r.Message, "first") {
			t.Errorf("%v: %+v", args, r)
		}
		if seen := p.seen(); len(seen) > 0 {
			t.Errorf("%v: a run that is skipped has changed the cluster: %v", args, seen)
		}
	}
	n.differs(before)
	if r := n.backup(0, "--keep-job=0", "--force"); r.Outcome != result.Succeeded {
		t.Errorf("with --force: %+v", r)
	}
	n.patch("app", map[string]any{"spec": map[string]any{"trigger": map[string]any{"manual": "second"}}})
	r := call(t, "backup", "app", "-n", n.name, "-o", "json", "--keep-job=0").result(t, 0)
	if s := n.status("app"); r.Outcome != result.Succeeded || s.LastManualSync != "second" {
		t.Errorf("a new tag: %+v, lastManualSync %q", r, s.LastManualSync)
	}
	n.sound()
}

// TestADryRunOnTheServerMakesNothing, though the API server judges every object.
func TestADryRunOnTheServerMakesNothing(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: keptCache})
	before := n.atRest().objects()
	p := newProxy(t)
	p.spoil = func(w http.ResponseWriter, r *http.Request, change int) bool {
		if change > 0 && r.URL.Query().Get("dryRun") != "All" {
			http.Error(w, "not a dry run", http.StatusTeapot)
			t.Errorf("%s %s is no dry run", r.Method, r.URL)
			return true
		}
		return false
	}
	end := callAs(t, p.kubeconfig, "backup", "-f", n.file, "--dry-run=server")
	if end.code != 0 {
		t.Fatalf("exit code %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	for _, kind := range []string{"leases", "jobs", "volumesnapshots", "persistentvolumeclaims", "configmaps"} {
		if !strings.Contains(strings.Join(p.seen(), "\n"), "POST "+kind) {
			t.Errorf("%s was not judged: %v", kind, p.seen())
		}
	}
	if !strings.Contains(end.stdout, "VolumeSnapshot") || !strings.Contains(end.stdout, "app@"+n.name) {
		t.Errorf("the plan is not printed:\n%s", end.stdout)
	}
	n.differs(before)
	if files := kopiatest.Entries(t, n.directoryOf("repo")); len(files) > 0 {
		t.Errorf("the repository's volume has files: %v", files)
	}
}

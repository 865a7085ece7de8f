package suite

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestEveryNamespaceAtOnce asks for the runs, the status and the leftovers of all
// namespaces: with the Role of one, which is refused, and with its rules everywhere.
// It is not run beside others, as it collects their runs and removes what is left of
// them.
//
//nolint:paralleltest // see above
func TestEveryNamespaceAtOnce(t *testing.T) {
	one, other := newSource(t, shape{CopyMethod: "Direct"}), newSource(t, shape{CopyMethod: "Snapshot"})
	for command, right := range map[string]string{"runs list": `list resource "jobs"`, "status": `list resource "configmaps"`, "cleanup": `list resource "persistentvolumeclaims"`} {
		refusedEverywhere(t, one.kubeconfig, command, right)
	}
	dead := []*deadRun{one.leaveRun(), other.leaveRun()}
	for _, d := range dead {
		d.id = d.untilRunsAs("Finished")
	}
	callers.Store(t.Name(), one.kubeconfig)
	one.grantCluster(rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "everywhere"}, Rules: one.printedRoles().role.Rules})

	var runs struct{ Items []listed }
	call(t, "runs", "list", "-A", "-o", "json").decode(t, 0, &runs)
	for _, d := range dead {
		if !slices.ContainsFunc(runs.Items, func(r listed) bool { return r.ID == d.id && r.State == "Finished" && r.Object.Namespace == d.name }) {
			t.Errorf("runs list -A has no run %s of namespace %s that has finished: %+v", d.id, d.name, runs.Items)
		}
	}
	cleanedEverywhere(t, dead)
	var standings struct{ Items []standing }
	call(t, "status", "-A", "-o", "json").decode(t, 0, &standings)
	for _, d := range dead {
		i := slices.IndexFunc(standings.Items, func(s standing) bool { return s.Object.Namespace == d.name && s.Object.Name == "app" })
		if i < 0 || standings.Items[i].Outcome != result.Succeeded || standings.Items[i].Snapshot == nil || standings.Items[i].Snapshot.Tags[result.RunTag] != d.id {
			t.Errorf("status -A does not have the snapshot of run %s in namespace %s: %+v", d.id, d.name, standings.Items)
		}
	}
}

// standing is a source as status prints it.
type standing struct {
	Object   result.ObjectRef
	Outcome  result.Outcome
	Snapshot *result.Snapshot
}

// refusedEverywhere fails the test unless a command is refused for all namespaces to
// who has the Role of one, and says which right is missing and what it takes.
func refusedEverywhere(t *testing.T, kubeconfig, command, right string) {
	t.Helper()
	end := callAs(t, kubeconfig, append(strings.Fields(command), "-A")...)
	if end.code != 5 || end.stdout != "" {
		t.Errorf("%s -A with the Role of a namespace ended with %d\n%s%s", command, end.code, end.stdout, end.stderr)
	}
	for _, want := range []string{right, "at the cluster scope", "choose a namespace with -n", "ClusterRole"} {
		if !strings.Contains(end.stderr, want) {
			t.Errorf("%s -A does not say %q:\n%s", command, want, end.stderr)
		}
	}
}

// deadRun is a run that nobody has collected.
type deadRun struct {
	*space
	id     string
	before map[string]*unstructured.Unstructured
}

// leaveRun starts a run whose command does not wait for its end.
func (n *space) leaveRun() *deadRun {
	n.t.Helper()
	d := &deadRun{space: n, before: n.atRest().objects()}
	if end := callAs(n.t, n.kubeconfig, "backup", "-f", n.file, "--detach", "--keep-job=0"); end.code != 0 {
		n.t.Fatalf("exit code %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	return d
}

// untilRunsAs waits until the namespace's one run has this state, and returns its id.
func (d *deadRun) untilRunsAs(state string) string {
	d.t.Helper()
	callers.Store(d.t.Name(), d.kubeconfig) // the test has several namespaces
	return d.untilRuns(state)[0].ID
}

// cleanedEverywhere fails the test unless cleanup lists the runs of all namespaces,
// and with --yes leaves nothing of them but status and history.
func cleanedEverywhere(t *testing.T, dead []*deadRun) {
	t.Helper()
	listing := call(t, "cleanup", "-A")
	removal := call(t, "cleanup", "-A", "--yes")
	if listing.code != 0 || removal.code != 0 {
		t.Errorf("cleanup -A ended with %d and %d\n%s%s\n%s%s", listing.code, removal.code, listing.stdout, listing.stderr, removal.stdout, removal.stderr)
	}
	for _, d := range dead {
		of := "run " + d.id + " of ReplicationSource " + d.name + "/app: "
		if !strings.Contains(listing.stdout, of+"Finished, its command is dead") || !strings.Contains(removal.stdout, of+"removed") {
			t.Errorf("cleanup -A does not have run %s of namespace %s:\n%s\n%s", d.id, d.name, listing.stdout, removal.stdout)
		}
		history, _ := d.kept("app")
		d.differs(d.before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history)
	}
}

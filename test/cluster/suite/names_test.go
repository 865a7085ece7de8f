package suite

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// several is the document of a command that ran more than one source.
type several struct {
	Kind     string
	ExitCode int
	Items    []result.Result
}

// TestNamesOf253Characters runs two sources at once whose names, as long as a
// name may be, differ in the last character only; their claim and Secret have such
// names too.
func TestNamesOf253Characters(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-name.", 25) + "of"
	first, second, claim, secret := long+"a", long+"b", long+"c", long+"d"
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: keptCache + "    username: of-app\n"})
	n.data = n.claim(claim, "vk-immediate", corev1.ReadWriteOnce)
	n.populate(false)
	n.secret(secret, map[string]string{"KOPIA_PASSWORD": password, "KOPIA_REPOSITORY": "filesystem:///kopia/repository"})
	n.edit("sourcePVC: data\n", "sourcePVC: "+claim+"\n")
	n.edit("repository: kopia-config\n", "repository: "+secret+"\n")
	n.client().Create(t)
	n.yieldRepository()
	// A username that is made of such names is cut, and would be one and the same.
	n.twice(named(first, "of-app", "first"), named(second, "of-app", "second"))
	n.apply()
	before := n.atRest().objects()

	var report several
	call(t, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--max-parallel=2").decode(t, 0, &report)
	var want []string
	for _, name := range []string{first, second} {
		history, cache := n.keptOf(name)
		want = append(want, "changed replicationsources.volsync.backube/"+name, "made configmaps/"+history,
			"made persistentvolumeclaims/"+cache, "made persistentvolumes/of "+cache)
	}
	n.differs(before, want...)
	if len(report.Items) != 2 || report.Items[0].Identity == report.Items[1].Identity {
		t.Fatalf("%+v", report)
	}
	for i, name := range []string{first, second} {
		r := report.Items[i]
		if r.Outcome != result.Succeeded || r.Object.Name != name {
			t.Fatalf("%s: %+v", name, r)
		}
		kopiatest.Compare(t, n.data, n.restored(r.Snapshot.ID))
		end := call(t, "status", name, "-n", n.name)
		if end.code != 0 || !strings.Contains(end.stdout, r.Snapshot.ID) {
			t.Errorf("status ended with %d\n%s%s", end.code, end.stdout, end.stderr)
		}
	}
}

// keptOf is kept for a name that is cut: the objects are found by the name's hash.
func (n *space) keptOf(name string) (history, cache string) {
	n.t.Helper()
	status, claim := n.kept(name)
	for found := range n.objects() {
		resource, object, _ := strings.Cut(found, "/")
		switch {
		case resource == "configmaps" && strings.HasSuffix(object, status[len(status)-10:]):
			history = object
		case resource == "persistentvolumeclaims" && strings.HasSuffix(object, claim[len(claim)-10:]):
			cache = object
		}
	}
	if len(history) > 63 || len(cache) > 63 || !strings.HasPrefix(history, "vk-status-long-name-") || !strings.HasPrefix(cache, "vk-cache-long-name-") {
		n.t.Errorf("history %q and cache %q of %s", history, cache, name)
	}
	return history, cache
}

package suite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestAPlanFromRecordedFacts is the plan that the cluster itself gives: of a source
// that never ran, by who may read what belongs to no namespace and by who may not,
// and of one with a history and an application that uses its volume.
func TestAPlanFromRecordedFacts(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{
		CopyMethod: "Direct", Kopia: keptCache + "    policyConfig: {configMapName: policies}\n", Trigger: `{schedule: "0 3 * * *"}`,
	})
	_, err := shared.typed.CoreV1().ConfigMaps(n.name).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "policies"}, Data: map[string]string{"global-policy.json": `{"retention":{"keepDaily":7}}`},
	}, metav1.CreateOptions{})
	n.must(err)
	unknown := n.sameFromFacts()
	if !slices.Contains(unknown, "volumes") {
		t.Errorf("without the optional ClusterRole only %v are unknown", unknown)
	}
	n.grantCluster(n.printedRoles().facts)
	if unknown := n.sameFromFacts(); len(unknown) > 0 {
		t.Errorf("with the optional ClusterRole %v are unknown", unknown)
	}
	if r := n.backup(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	n.restrictedPod("application", "data", "sleep 100000")
	n.untilRunning("application")
	n.sameFromFacts()
	facts := n.facts()
	for _, recorded := range []string{"history:", "lastFiles: 2", "pod: application", "keepDaily"} {
		if !strings.Contains(facts, recorded) {
			t.Errorf("the facts lack %q:\n%s", recorded, facts)
		}
	}
}

// facts are what plan facts records of the namespace's source.
func (n *space) facts() string {
	n.t.Helper()
	end := call(n.t, "plan", "facts", "-f", n.file)
	if end.code != 0 || end.stderr != "" {
		n.t.Fatalf("plan facts ended with %d\n%s%s", end.code, end.stdout, end.stderr)
	}
	if strings.Contains(end.stdout, password) {
		n.t.Errorf("the facts have the repository's password:\n%s", end.stdout)
	}
	return end.stdout
}

// sameFromFacts fails the test unless the plan that is made from recorded facts, where
// no cluster is configured, is the one that is made on the cluster. It returns the
// facts that neither has.
func (n *space) sameFromFacts() []string {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "facts.yaml")
	n.must(os.WriteFile(file, []byte(n.facts()), 0o600))
	here := call(n.t, "plan", "-f", n.file, "-o", "json")
	there := callAs(n.t, os.DevNull, "plan", "-f", n.file, "--facts", file, "-o", "json")
	var ids struct{ RunID string }
	here.decode(n.t, 0, &ids)
	if diff := cmp.Diff(timeless(n.t, here, ids.RunID), timeless(n.t, there, ids.RunID)); diff != "" {
		n.t.Errorf("the plan (-on the cluster +from the facts):\n%s", diff)
	}
	if here.stderr != there.stderr {
		n.t.Errorf("plan says on the cluster\n%s\nand from the facts\n%s", here.stderr, there.stderr)
	}
	return n.unknown()
}

// timeless is a printed plan as that of the run, without the time at which it was made.
func timeless(t testing.TB, dry ended, runID string) map[string]any {
	t.Helper()
	planOf(t, dry, runID) // it is one
	var whole map[string]any
	asPlanOf(t, dry, runID).decode(t, 0, &whole)
	withoutTimes(whole)
	return whole
}

// withoutTimes removes when the plan was made, and when its Lease would be taken.
func withoutTimes(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range []string{"time", "acquireTime", "renewTime"} {
			delete(v, name)
		}
		for _, child := range v {
			withoutTimes(child)
		}
	case []any:
		for _, child := range v {
			withoutTimes(child)
		}
	}
}

package suite

import (
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestAMaintenanceThatTheClusterHoldsIsRunByItsName: its status is the run's to write, and
// nothing is said of what the CRD, and not its author, has put into it.
func TestAMaintenanceThatTheClusterHoldsIsRunByItsName(t *testing.T) {
	t.Parallel()
	m := newMaintained(t)
	end := callAs(t, m.kubeconfig, "maintenance", "upkeep", "-n", m.name, "-o", "json", "--progress=plain", "--keep-job=0")
	if r := end.result(t, 0); r.Outcome != result.Succeeded || r.Object.Name != "upkeep" || r.Object.UID == "" {
		t.Fatalf("%+v", r)
	}
	if strings.Contains(end.stderr, "VK1") || strings.Contains(end.stderr, "VK517") {
		t.Errorf("findings about what nobody has written:\n%s", end.stderr)
	}
	if s := m.status(); s.LastMaintenanceTime == nil {
		t.Errorf("the status is %+v", s)
	}
}

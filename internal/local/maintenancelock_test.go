package local

import (
	"path/filepath"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// Two runs maintain one repository one after the other, and two repositories when they like.
func TestOneMaintenanceOfARepositoryAtATime(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	one, two := begin(t, state, "run-1", filepath.Join(state, "a")), begin(t, state, "run-2", filepath.Join(state, "b"))
	release, err := HoldMaintenance(one.MaintenanceLocks(), "0a0c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := HoldMaintenance(two.MaintenanceLocks(), "0a0c"); fault.KindOf(err) != fault.Refused {
		t.Errorf("a second one of the repository: %v", err)
	}
	other, err := HoldMaintenance(two.MaintenanceLocks(), "beef")
	if err != nil {
		t.Fatalf("one of another repository: %v", err)
	}
	other()
	release()
	if release, err = HoldMaintenance(two.MaintenanceLocks(), "0a0c"); err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	release()
}

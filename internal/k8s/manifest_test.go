package k8s

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// What the CRD fills in is nobody's manifest: the deprecated schedule has a default, and
// beside a trigger each live KopiaMaintenance would be told that it has no effect.
func TestTheManifestOfALiveMaintenanceHasNoScheduleThatNobodyWrote(t *testing.T) {
	t.Parallel()
	for schedule, want := range map[string]string{"0 2 * * *": "", "0 3 * * *": "0 3 * * *"} {
		w := newWorld(t)
		w.makeMaintenance(map[string]any{"repository": map[string]any{"repository": "repo"}, "schedule": schedule, "trigger": map[string]any{"manual": "now"}})
		text, err := w.cluster.Manifest(t.Context(), testUpkeep.Kind, testNamespace, testUpkeep.Name)
		if err != nil {
			t.Fatal(err)
		}
		set, _ := spec.Parse([]spec.Input{{Name: "live", Data: text}}, spec.Options{})
		if m := set.Documents[0].Maintenance; m == nil || m.Spec.Schedule != want || m.Spec.Repository.Repository != "repo" {
			t.Errorf("%s: %s", schedule, text)
		}
	}
}

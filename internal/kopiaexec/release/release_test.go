package release_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
)

func TestNearestServesForTheVersionWanted(t *testing.T) {
	t.Parallel()
	tables := []string{"0.21.1", "0.22.0", "0.22.3", "0.23.1"}
	for wanted, want := range map[string]string{
		"0.23.1": "0.23.1", "v0.21.1": "0.21.1", "0.21.9": "0.21.1", "0.23.0": "0.23.1", "0.22.1": "0.22.0", "0.22.2": "0.22.3",
		"0.23.2-rc1": "0.23.1", "0.19.0": release.Default, "0.99.0": release.Default, "1.22.0": release.Default,
		"": release.Default, "a.b.c": release.Default, "0.22": "0.22.0", "22": release.Default,
	} {
		if got := release.Nearest(wanted, tables); got != want {
			t.Errorf("%q: %s, want %s", wanted, got, want)
		}
	}
}

func TestMinorAndOrder(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"0.22.3": "0.22", "v0.23.1": "0.23", "0.23.2-rc1": "0.23", "odd": "odd", "": ""} {
		if got := release.Minor(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
	versions := []string{"0.9.0", "0.22.3", "odd", "0.22.10"}
	slices.SortFunc(versions, release.Compare)
	if diff := cmp.Diff([]string{"odd", "0.9.0", "0.22.3", "0.22.10"}, versions); diff != "" {
		t.Error(diff)
	}
}

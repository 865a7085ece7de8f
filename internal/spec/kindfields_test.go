package spec_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

func TestFieldsOf(t *testing.T) {
	t.Parallel()
	const text = "correct spec.kopia.moverAffinity, spec.kopia.moverResources.limits.memory or spec.kopia.moverVolumes[0]"
	for kind, want := range map[string]string{
		spec.KindReplicationSource: text,
		spec.KindKopiaMaintenance:  "correct spec.affinity, spec.resources.limits.memory or spec.moverVolumes[0]",
		"":                         text,
	} {
		if got := spec.FieldsOf(kind, text); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

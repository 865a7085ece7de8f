package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
)

func TestOriginsNameTheDocumentThatDecided(t *testing.T) {
	t.Parallel()
	r := Resolve(Inputs{
		RepositoryConfig: parse(t, "repository.config", `{"uploadSpeed": 1, "enableActions": true, "ecc": "nonsense"}`),
		Structured:       parse(t, "inline", `{"uploadSpeed": 2, "policies": {"retention": {"keepDaily": 1}}}`),
		Manual:           parse(t, "KOPIA_MANUAL_CONFIG", `{"splitter": {"algorithm": "FIXED-8M"}}`),
		FromSecret:       true,
	}, NamesFor(release.Default))
	want := map[Setting]Origin{
		SettingUpload:        {From: "inline"},
		SettingEnableActions: {From: "repository.config", Sensitive: true},
		SettingSplitter:      {From: "KOPIA_MANUAL_CONFIG", Sensitive: true},
	}
	if diff := cmp.Diff(want, r.Origins); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

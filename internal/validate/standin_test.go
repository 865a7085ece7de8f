package validate_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// secretWith is a repository Secret for source and upkeep; keys follow its password.
func secretWith(keys string) string {
	return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: kopia-config, namespace: prod}\nstringData: {KOPIA_PASSWORD: choose-a-long-one" + keys + "}\n"
}

func upkeep(spec string) string {
	return "apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\nmetadata: {name: nightly, namespace: prod}\nspec: {repository: {repository: kopia-config}" + spec + "}\n"
}

// A directory of this machine says where the repository is, so that the Secret need not;
// a Secret that says another kind of storage contradicts it.
func TestADirectoryStandsInForTheRepositoryOfTheSecret(t *testing.T) {
	t.Parallel()
	for _, object := range []string{source("compression: zstd"), upkeep("")} {
		for keys, want := range map[string]struct{ without, with []string }{
			"":                            {[]string{"error VK401 KOPIA_REPOSITORY"}, nil},
			", KOPIA_REPOSITORY: s3://b":  {nil, []string{"error VK405 KOPIA_REPOSITORY"}},
			", KOPIA_REPOSITORY: nothing": {[]string{"error VK404 KOPIA_REPOSITORY"}, nil},
			", KOPIA_REPOSITORY: filesystem:///elsewhere": {nil, nil},
		} {
			text := object + secretWith(keys)
			if diff := cmp.Diff(want.without, codes(t, text, validate.Options{})); diff != "" {
				t.Errorf("without a directory, %q (-want +got):\n%s", keys, diff)
			}
			if diff := cmp.Diff(want.with, codes(t, text, validate.Options{RepositoryDir: "/srv/repository"})); diff != "" {
				t.Errorf("with a directory, %q (-want +got):\n%s", keys, diff)
			}
		}
	}
}

// What the manifest itself says about the place must fit the Secret, also where a
// directory stands in for it.
func TestADirectoryHidesNoContradictionOfManifestAndSecret(t *testing.T) {
	t.Parallel()
	text := source(`policyConfig: {repositoryConfig: '{"storage": {"type": "s3", "config": {"bucket": "b"}}}'}`) + secretWith(", KOPIA_REPOSITORY: filesystem:///k")
	got := codes(t, text, validate.Options{RepositoryDir: "/srv/repository"})
	if !slices.Contains(got, "error VK405 KOPIA_REPOSITORY") {
		t.Errorf("%v", got)
	}
}

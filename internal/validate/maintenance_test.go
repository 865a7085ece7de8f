package validate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// Whom the Secret names as the owner is judged where a maintenance uses it, and nowhere
// else.
func TestTheOwnerThatASecretNamesIsJudged(t *testing.T) {
	t.Parallel()
	const place = ", KOPIA_REPOSITORY: filesystem:///k, KOPIA_OVERRIDE_MAINTENANCE_USERNAME: "
	bad := []string{"error VK410 KOPIA_OVERRIDE_MAINTENANCE_USERNAME"}
	for text, want := range map[string][]string{
		upkeep("") + secretWith(place+"keeper"):                                        nil,
		upkeep("") + secretWith(place+"a@b@c"):                                         bad,
		source("compression: zstd") + "---\n" + upkeep("") + secretWith(place+"a@b@c"): bad,
		source("compression: zstd") + secretWith(place+"a@b@c"):                        nil,
	} {
		if diff := cmp.Diff(want, codes(t, text, validate.Options{})); diff != "" {
			t.Errorf("%s(-want +got):\n%s", text, diff)
		}
	}
}

// Hooks are of the copy of a volume, which a maintenance has not.
func TestHooksOfAMaintenanceHaveNoEffect(t *testing.T) {
	t.Parallel()
	text := "apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\n" +
		"metadata: {name: nightly, namespace: prod, annotations: {volsync-kopia/exec-in: pod/db, volsync-kopia/exec-after: sync, other: x}}\n" +
		"spec: {repository: {repository: kopia-config}}\n"
	want := []string{`info VK168 metadata.annotations["volsync-kopia/exec-in"]`, `info VK168 metadata.annotations["volsync-kopia/exec-after"]`}
	if diff := cmp.Diff(want, codes(t, text, validate.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two maintenances that name one Secret maintain one repository, which nothing keeps from
// happening at the same time.
func TestTwoMaintenancesOfOneRepository(t *testing.T) {
	t.Parallel()
	named := func(namespace, name, secret string) string {
		return "---\napiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\nmetadata: {name: " + name + namespace + "}\n" +
			"spec: {repository: {repository: " + secret + "}}\n"
	}
	prod, test := ", namespace: prod", ", namespace: test"
	twice := []string{"warning VK176 spec.repository.repository"}
	for text, want := range map[string][]string{
		named(prod, "a", "s") + named(prod, "b", "s"):                             twice,
		named("", "a", "s") + named("", "b", "s"):                                 twice,
		named(prod, "a", "s") + named(prod, "b", "s") + named(prod, "c", "s"):     append(twice, twice...),
		named(prod, "a", "s") + named(prod, "b", "other") + named(test, "b", "s"): nil,
	} {
		if diff := cmp.Diff(want, codes(t, text, validate.Options{})); diff != "" {
			t.Errorf("%s(-want +got):\n%s", text, diff)
		}
	}
}

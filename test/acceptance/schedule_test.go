package acceptance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// homeFacts are a small cluster's, in which the manifest's claim is there.
const homeFacts = `apiVersion: volsync-kopia/v1
kind: Facts
snapshotAPI: true
namespace: {name: home}
claims:
  - {name: data, storageClass: disk, accessModes: [ReadWriteOnce], capacity: 1Gi, phase: Bound, volume: {name: pv-1, driver: csi.example}}
storageClasses:
  - {name: disk, provisioner: csi.example, bindingMode: Immediate, reclaimPolicy: Delete}
snapshotClasses:
  - {name: snap, driver: csi.example, default: true, deletionPolicy: Delete}
`

// checkScheduleObjects: schedule accepts the manifest, and what it prints are the objects
// that run it at its times.
func checkScheduleObjects(t *testing.T, w *world, manifest string) {
	t.Helper()
	e := w.run(t, "schedule", "-f", manifest, "--facts", w.file(t, "home-facts.yaml", homeFacts),
		"--mover-image", "registry.example/mover:1", "--time-zone", "Europe/Berlin")
	if e.code != 0 {
		t.Fatalf("schedule: exit %d\n%s", e.code, e.stderr)
	}
	var account corev1.ServiceAccount
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	var config corev1.ConfigMap
	var cron batchv1.CronJob
	documents := strings.Split(strings.TrimPrefix(e.stdout, "---\n"), "---\n")
	into := []any{&account, &role, &binding, &config, &cron}
	if len(documents) != len(into) {
		t.Fatalf("%d documents:\n%s", len(documents), e.stdout)
	}
	for i, text := range documents {
		if err := yaml.UnmarshalStrict([]byte(text), into[i]); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	kinds := []string{account.Kind, role.Kind, binding.Kind, config.Kind, cron.Kind}
	if !slices.Equal(kinds, []string{"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "CronJob"}) {
		t.Errorf("%v", kinds)
	}
	s := cron.Spec
	if s.Schedule != "40 4 * * 1-5" || s.TimeZone == nil || *s.TimeZone != "Europe/Berlin" || s.ConcurrencyPolicy != batchv1.ForbidConcurrent {
		t.Errorf("%+v", s)
	}
	for _, o := range []string{account.Name, role.Name, binding.Name, config.Name, cron.Name} {
		if len(o) > 52 || len(validation.IsDNS1123Label(o)) > 0 {
			t.Errorf("the name %q", o)
		}
	}
	scheduledManifestIs(t, manifest, config.Data["manifest.yaml"])
}

// scheduledManifestIs fails the test unless the runs read what the file says.
func scheduledManifestIs(t *testing.T, file, text string) {
	t.Helper()
	read := func(name, text string) []byte {
		set, problems := spec.Parse([]spec.Input{{Name: name, Data: []byte(text)}}, spec.Options{})
		if problems.HasErrors() || len(set.Sources()) != 1 {
			t.Fatalf("%s: %+v", name, problems)
		}
		data, err := json.Marshal(set.Sources()[0].Source)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if want, got := read(file, readFile(t, file)), read("the ConfigMap's", text); string(want) != string(got) {
		t.Errorf("a scheduled run reads\n%s\nand not\n%s", got, want)
	}
}

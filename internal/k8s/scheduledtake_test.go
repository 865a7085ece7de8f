package k8s

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// scheduleRole is the Role of a golden case's schedule.
func scheduleRole(t *testing.T, golden string) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../testdata/golden/" + golden + "/schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var o unstructured.Unstructured
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			t.Fatal("no Role")
		} else if err != nil {
			t.Fatal(err)
		}
		if o.GetKind() == "Role" {
			var role rbacv1.Role
			if err := convert(&o, &role); err != nil {
				t.Fatal(err)
			}
			return role.Rules
		}
	}
}

// grant refuses from now on what the rules do not allow, and everything that is in no
// namespace. It returns what was refused.
func (w *world) grant(rules []rbacv1.PolicyRule) func() []string {
	var refused []string
	check := func(a clienttesting.Action) (bool, runtime.Object, error) {
		resource := strings.TrimSuffix(a.GetResource().Resource+"/"+a.GetSubresource(), "/")
		if a.GetNamespace() != "" && slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
			return slices.Contains(r.APIGroups, a.GetResource().Group) && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, a.GetVerb())
		}) {
			return false, nil, nil
		}
		refused = append(refused, a.GetVerb()+" "+resource)
		return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", errors.New("no rule allows it"))
	}
	w.typed.PrependReactor("*", "*", check)
	w.dynamic.PrependReactor("*", "*", check)
	return func() []string { return refused }
}

// TestAScheduledRunEndsADeadOneOfAnotherManifest: its Role is that of a source which is
// not copied any more, and the run that died has left a claim and a snapshot. Nothing
// outside the namespace is asked for.
func TestAScheduledRunEndsADeadOneOfAnotherManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Hour), func(j *batchv1.Job) {
		j.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: j.Name},
		}}}
	}), moverPod(ended(good())))
	claim := objectOfKind("v1", "PersistentVolumeClaim", testNamespace, testJob, map[string]any{"spec": map[string]any{
		"dataSource": map[string]any{"kind": "VolumeSnapshot"}, "volumeName": "pv-1", "storageClassName": "fast",
	}})
	snapshot := objectOfKind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", testNamespace, testJob, map[string]any{
		"spec":   map[string]any{"volumeSnapshotClassName": "snap"},
		"status": map[string]any{"boundVolumeSnapshotContentName": "content-1"},
	})
	for _, o := range []*unstructured.Unstructured{claim, snapshot} {
		o.SetLabels(labelsOf(plan.RoleCopy))
		if _, err := w.dynamic.Resource(resources()[o.GetKind()]).Namespace(testNamespace).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.heldBy(testRun)
	w.cluster.TakeClasses(&plan.ClassFacts{
		Namespace:       testNamespace,
		StorageClasses:  []plan.StorageClass{{Name: "fast", ReclaimPolicy: corev1.PersistentVolumeReclaimDelete}},
		SnapshotClasses: []plan.SnapshotClass{{Name: "snap", DeletionPolicy: "Delete"}},
	})
	refused := w.grant(scheduleRole(t, "hooks-direct"))
	l := w.leaseFor("next")
	if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil {
		t.Errorf("%v", err)
	}
	l.stop()
	if asked := slices.Concat(refused(), w.outside()); len(asked) > 0 {
		t.Errorf("it has asked for %v", asked)
	}
	for kind, name := range map[string]string{"PersistentVolumeClaim": testJob, "VolumeSnapshot": testJob, "Pod": moverPod().Name} {
		if _, err := w.dynamic.Tracker().Get(resources()[kind], testNamespace, name); !apierrors.IsNotFound(err) {
			t.Errorf("%s %s: %v", kind, name, err)
		}
	}
}

// TestClassFactsSayWhatStays: a dead run's volume is told to go where its class is known
// to keep it, and left alone where not; nobody looks at it.
func TestClassFactsSayWhatStays(t *testing.T) {
	t.Parallel()
	for policy, want := range map[corev1.PersistentVolumeReclaimPolicy][]string{
		corev1.PersistentVolumeReclaimRetain: {"patch persistentvolumes", "delete persistentvolumeclaims"},
		corev1.PersistentVolumeReclaimDelete: {"delete persistentvolumeclaims"},
	} {
		cluster, client := storage(t, string(policy))
		mayNot(client, "get", "persistentvolumes")
		cluster.TakeClasses(&plan.ClassFacts{StorageClasses: []plan.StorageClass{{Name: "fast", ReclaimPolicy: policy}}})
		claim := objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", map[string]any{"spec": map[string]any{"volumeName": "pv", "storageClassName": "fast"}})
		if err := cluster.RemoveCopies(t.Context(), []*unstructured.Unstructured{claim}); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
		if got := did(client); !slices.Equal(got, want) {
			t.Errorf("%s: did %v, want %v", policy, got, want)
		}
		for _, a := range client.Actions() {
			if a.Matches("get", "persistentvolumes") {
				t.Errorf("%s: the volume was looked at", policy)
			}
		}
	}
}

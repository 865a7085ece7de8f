package crd_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/apiservertest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/crd"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// server is a real API server with the definitions in it.
type server struct{ client dynamic.Interface }

// startServer installs the definitions, as kubectl apply --server-side does, and
// removes them again if they were not there before.
func startServer(t *testing.T) server {
	t.Helper()
	client, err := dynamic.NewForConfig(apiservertest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	s := server{client}
	for _, d := range crd.Documents() {
		s.install(t, d)
	}
	return s
}

func (s server) install(t *testing.T, d crd.Document) {
	t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(d.YAML), &u.Object); err != nil {
		t.Fatal(err)
	}
	definitions := s.client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Get(t.Context(), u.GetName(), metav1.GetOptions{}); apierrors.IsNotFound(err) {
		t.Cleanup(func() {
			ctx := context.WithoutCancel(t.Context())
			if err := definitions.Delete(ctx, u.GetName(), metav1.DeleteOptions{}); err != nil {
				t.Errorf("remove the definition of %s: %v", d.Kind, err)
			}
			until(ctx, t, "removed: "+u.GetName(), func(ctx context.Context) (bool, error) {
				_, err := definitions.Get(ctx, u.GetName(), metav1.GetOptions{})
				return apierrors.IsNotFound(err), ignoreNotFound(err)
			})
		})
	}
	if _, err := definitions.Apply(t.Context(), u.GetName(), &u, metav1.ApplyOptions{FieldManager: "crd-test", Force: true}); err != nil {
		t.Fatalf("%s: %v", d.Kind, err)
	}
	objects := s.objects(d.Kind)
	until(t.Context(), t, "served: "+d.Kind, func(ctx context.Context) (bool, error) {
		live, err := definitions.Get(ctx, u.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
		for _, c := range conditions {
			if c, _ := c.(map[string]any); c["type"] == "NonStructuralSchema" && c["status"] == "True" {
				return false, errors.New("the schema is not structural")
			}
		}
		_, err = objects.List(ctx, metav1.ListOptions{Limit: 1})
		return err == nil, ignoreNotFound(err)
	})
}

// objects are those of one kind in the namespace default: nothing but an API
// server is there to remove another one.
func (s server) objects(kind string) dynamic.ResourceInterface {
	return s.client.Resource(schema.GroupVersionResource{
		Group: "volsync.backube", Version: "v1alpha1", Resource: strings.ToLower(kind) + "s",
	}).Namespace("default")
}

// store creates an object under a name of its own, with strict validation.
func (s server) store(t *testing.T, kind string, spec any) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion("volsync.backube/v1alpha1")
	u.SetKind(kind)
	u.SetGenerateName("vk-crd-test-")
	stored, err := s.objects(kind).Create(t.Context(), u, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.objects(kind).Delete(context.WithoutCancel(t.Context()), stored.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Errorf("remove %s %s: %v", kind, stored.GetName(), err)
		}
	})
	return stored
}

func until(ctx context.Context, t *testing.T, what string, done wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, done); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func TestAPIServer(t *testing.T) {
	s := startServer(t)
	t.Run("keeps every object", s.keepsObjects)
	t.Run("keeps every status", s.keepsStatuses)
	t.Run("refuses what is no object", s.refuses)
}

func (s server) keepsObjects(t *testing.T) {
	for _, sample := range samples(t) {
		t.Run(sample.from, func(t *testing.T) {
			kind := sample.object.GetKind()
			want, _ := plain(t, sample.object.Object["spec"]).(map[string]any)
			stored := s.store(t, kind, sample.object.Object["spec"])
			live, err := s.objects(kind).Get(t.Context(), stored.GetName(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if kind == "KopiaMaintenance" {
				for name, value := range maintenanceDefaults() {
					if _, set := want[name]; !set {
						want[name] = plain(t, value)
					}
				}
			}
			if diff := cmp.Diff(want, plain(t, live.Object["spec"])); diff != "" {
				t.Errorf("spec (-written +kept):\n%s", diff)
			}
		})
	}
}

func (s server) keepsStatuses(t *testing.T) {
	condition := map[string]any{
		"type": "Ready", "status": "False", "reason": "X", "message": "", "lastTransitionTime": "2026-01-31T18:00:00Z", "observedGeneration": 2,
	}
	for sentence, c := range map[string]struct {
		kind   string
		spec   map[string]any
		status map[string]any
	}{
		"what a backup writes":      {"ReplicationSource", map[string]any{"sourcePVC": "data"}, everyStatus(t)},
		"what a restore writes":     {"ReplicationDestination", map[string]any{"kopia": map[string]any{}}, everyStatus(t)},
		"what a maintenance writes": {"KopiaMaintenance", map[string]any{"repository": map[string]any{"repository": "vault"}}, everyStatusOf[status.Maintenance](t)},
		"what VolSync writes for a source": {"ReplicationSource", map[string]any{"sourcePVC": "data"}, map[string]any{
			"kopia": map[string]any{
				"lastMaintenance": "2026-01-31T18:00:00Z", "nextScheduledMaintenance": "2026-01-31T18:00:00Z", "maintenanceFailures": 1,
				"kopiaMaintenance": "upkeep", "lastConfiguredMetadataCacheSizeLimitMB": 7, "lastConfiguredContentCacheSizeLimitMB": 2,
			},
			"restic":    map[string]any{"lastPruned": "2026-01-31T18:00:00Z", "lastUnlocked": "a"},
			"rsync":     map[string]any{"sshKeys": "k", "address": "a", "port": 22},
			"rsyncTLS":  map[string]any{"keySecret": "k"},
			"syncthing": map[string]any{"ID": "x", "peers": []any{map[string]any{"ID": "y", "connected": true}}},
			"external":  map[string]any{"a": "b"},
		}},
		"what VolSync writes for a destination": {"ReplicationDestination", map[string]any{"kopia": map[string]any{}}, map[string]any{
			"latestImage": map[string]any{"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "x"},
			"kopia": map[string]any{
				"requestedIdentity": "a@b", "snapshotsFound": 3,
				"availableIdentities": []any{map[string]any{"identity": "a@b", "snapshotCount": 3, "latestSnapshot": "2026-01-31T18:00:00Z"}},
			},
			"rsyncTLS": map[string]any{"keySecret": "k", "address": "a", "port": 8000},
			"external": map[string]any{"a": "b"},
		}},
		"what VolSync writes for a maintenance": {"KopiaMaintenance", map[string]any{"repository": map[string]any{"repository": "vault"}}, map[string]any{
			"observedGeneration": 2, "activeCronJob": "x", "lastReconcileTime": "2026-01-31T18:00:00Z", "lastMaintenanceTime": "2026-01-31T18:00:00Z",
			"nextScheduledMaintenance": "2026-01-31T18:00:00Z", "maintenanceFailures": 1, "lastManualSync": "a", "conditions": []any{condition},
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			stored := s.store(t, c.kind, c.spec)
			s.patchStatus(t, stored, c.status, c.status)
			// A time that no longer holds goes, as internal/k8s removes it.
			if _, ok := c.status["nextSyncTime"]; ok {
				want := plain(t, c.status).(map[string]any)
				delete(want, "nextSyncTime")
				s.patchStatus(t, stored, map[string]any{"nextSyncTime": nil}, want)
			}
		})
	}
}

// patchStatus patches the status as a run does and compares what the API server
// then keeps.
func (s server) patchStatus(t *testing.T, object *unstructured.Unstructured, status, want map[string]any) {
	t.Helper()
	objects := s.objects(object.GetKind())
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	options := metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict}
	if _, err := objects.Patch(t.Context(), object.GetName(), types.MergePatchType, patch, options, "status"); err != nil {
		t.Fatal(err)
	}
	live, err := objects.Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, want), plain(t, live.Object["status"])); diff != "" {
		t.Errorf("status (-written +kept):\n%s", diff)
	}
	if diff := cmp.Diff(plain(t, object.Object["spec"]), plain(t, live.Object["spec"])); diff != "" {
		t.Errorf("spec after a status patch (-before +after):\n%s", diff)
	}
}

// refuses: what VolSync's own definitions refuse too, and unknown fields where
// the API server is asked to be strict.
func (s server) refuses(t *testing.T) {
	for sentence, c := range map[string]struct{ kind, spec string }{
		"a copy method that is none":      {"ReplicationSource", `{"sourcePVC": "d", "kopia": {"copyMethod": "Copy"}}`},
		"more than 20 arguments":          {"ReplicationSource", `{"kopia": {"additionalArgs": [` + strings.Repeat(`"a",`, 20) + `"a"]}}`},
		"a user name with a blank":        {"ReplicationSource", `{"kopia": {"username": "a b"}}`},
		"a relative recorded path":        {"ReplicationSource", `{"kopia": {"sourcePathOverride": "data"}}`},
		"a size that is none":             {"ReplicationSource", `{"kopia": {"capacity": "10GB"}}`},
		"a text for a number":             {"ReplicationSource", `{"kopia": {"retain": {"daily": "7"}}}`},
		"a misspelt field":                {"ReplicationSource", `{"kopia": {"copyMetod": "Clone"}}`},
		"a time that is none":             {"ReplicationDestination", `{"kopia": {"restoreAsOf": "yesterday"}}`},
		"a maintenance of no repository":  {"KopiaMaintenance", `{"enabled": true}`},
		"a deadline that is too short":    {"KopiaMaintenance", `{"repository": {"repository": "v"}, "activeDeadlineSeconds": 60}`},
		"a mover volume without a source": {"KopiaMaintenance", `{"repository": {"repository": "v"}, "moverVolumes": [{"mountPath": "a"}]}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			var spec map[string]any
			if err := json.Unmarshal([]byte(c.spec), &spec); err != nil {
				t.Fatal(err)
			}
			u.Object["spec"] = spec
			u.SetAPIVersion("volsync.backube/v1alpha1")
			u.SetKind(c.kind)
			u.SetGenerateName("vk-crd-test-")
			_, err := s.objects(c.kind).Create(t.Context(), u, metav1.CreateOptions{
				FieldValidation: metav1.FieldValidationStrict, DryRun: []string{metav1.DryRunAll},
			})
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

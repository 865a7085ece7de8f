package k8s

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// objectsOf is a dynamic client that holds these objects.
func objectsOf(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	kinds := map[schema.GroupVersionResource]string{}
	for kind, gvr := range resources() {
		kinds[gvr] = kind + "List"
	}
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects...)
}

func objectOfKind(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: fields}
	if fields == nil {
		o.Object = map[string]any{}
	}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetUID("mine")
	return o
}

// storage is a cluster with a claim, bound to a volume of this reclaim policy,
// whose storage deletes the volume with its claim if that says so.
func storage(t *testing.T, policy string) (*Cluster, *dynamicfake.FakeDynamicClient) {
	t.Helper()
	client := objectsOf(
		objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", map[string]any{"spec": map[string]any{"volumeName": "pv"}}),
		objectOfKind("v1", "PersistentVolume", "", "pv", map[string]any{"spec": map[string]any{"persistentVolumeReclaimPolicy": policy}}),
	)
	client.PrependReactor("delete", "persistentvolumeclaims", func(ktesting.Action) (bool, runtime.Object, error) {
		volumes := resources()["PersistentVolume"]
		pv, err := client.Tracker().Get(volumes, "", "pv") // a reactor may not send requests
		if err != nil {
			return false, nil, nil //nolint:nilerr // gone
		}
		if now, _, _ := unstructured.NestedString(pv.(*unstructured.Unstructured).Object, "spec", "persistentVolumeReclaimPolicy"); now == "Delete" {
			return false, nil, client.Tracker().Delete(volumes, "", "pv")
		}
		return false, nil, nil
	})
	return &Cluster{dynamic: client}, client
}

// did are the requests about the volume and its claim that change something.
func did(client *dynamicfake.FakeDynamicClient) []string {
	var all []string
	for _, a := range client.Actions() {
		if a.GetVerb() == "patch" || a.GetVerb() == "delete" {
			all = append(all, a.GetVerb()+" "+a.GetResource().Resource)
		}
	}
	return all
}

func mayNot(client *dynamicfake.FakeDynamicClient, verb, resource string) {
	client.PrependReactor(verb, resource, func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "pv", errors.New("no"))
	})
}

// A copy that waited for its consumer was made without a volume: what is behind it
// is only known when it is removed, however the run has ended.
func TestARetainedVolumeGoesWithItsCopy(t *testing.T) {
	t.Parallel()
	cluster, client := storage(t, "Retain")
	made := objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", nil)
	p := plan.Plan{Object: result.ObjectRef{Namespace: testNamespace}, Steps: []plan.Step{{ID: 9, Kind: plan.StepReclaim, Reclaim: &plan.Reclaim{Kind: "PersistentVolume"}}}}
	x := NewTarget(cluster, p, Outcome{}, &heard{}, time.Now, func(error) {})
	defer x.Close()
	x.keepObject(1, made)
	if err := x.Undo(t.Context(), plan.Cleanup{Step: 1, Action: plan.CleanupDelete}); err != nil {
		t.Fatal(err)
	}
	if got := did(client); !slices.Equal(got, []string{"patch persistentvolumes", "delete persistentvolumeclaims"}) {
		t.Errorf("%v", got)
	}
}

// A dead run has no plan: what is behind its copies is looked at.
func TestTheCopiesOfADeadRunLeaveNothing(t *testing.T) {
	t.Parallel()
	const claims = "delete persistentvolumeclaims"
	cases := map[string]struct {
		policy string
		denied []string
		did    []string
		code   fault.ExitCode
	}{
		"retained":                               {"Retain", nil, []string{"patch persistentvolumes", claims}, 0},
		"deleted anyway":                         {"Delete", nil, []string{claims}, 0},
		"retained, and nobody may say otherwise": {"Retain", []string{"patch"}, []string{"patch persistentvolumes"}, 8},
		"nobody may look, and one may write":     {"Retain", []string{"get"}, []string{"patch persistentvolumes", claims}, 0},
		"nobody may do anything with the volume": {"Delete", []string{"get", "patch"}, []string{"patch persistentvolumes", claims}, 0},
	}
	for name, c := range cases {
		cluster, client := storage(t, c.policy)
		for _, verb := range c.denied {
			mayNot(client, verb, "persistentvolumes")
		}
		claim := objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", map[string]any{"spec": map[string]any{"volumeName": "pv"}})
		_, err := cluster.removeInOrder(t.Context(), []*unstructured.Unstructured{claim}, nil, cluster.seeGone)
		if fault.CodeOf(err) != c.code || c.code != 0 && !strings.Contains(err.Error(), "its class keeps PersistentVolume pv") {
			t.Errorf("%s: %v", name, err)
		}
		if got := did(client); !slices.Equal(got, c.did) {
			t.Errorf("%s: did %v, want %v", name, got, c.did)
		}
	}
}

// Somebody who writes to an object at that moment does not keep it.
func TestADeletionOutlastsAConflict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uid  string
		gone bool
	}{"it is still ours": {"mine", true}, "it is another of its name": {"another's", false}} {
		now := objectOfKind("batch/v1", "Job", testNamespace, "j", nil)
		now.SetUID("mine")
		if !c.gone {
			now.SetUID("another's")
		}
		client := objectsOf(now)
		conflicts := 0
		client.PrependReactor("delete", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
			conflicts++
			return conflicts == 1 || !c.gone, nil, errConflict
		})
		cluster := &Cluster{dynamic: client}
		if err := cluster.deleteAndSee(t.Context(), objectOfKind("batch/v1", "Job", testNamespace, "j", nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := client.Resource(resources()["Job"]).Namespace(testNamespace).Get(t.Context(), "j", metav1.GetOptions{})
		if apierrors.IsNotFound(err) != c.gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

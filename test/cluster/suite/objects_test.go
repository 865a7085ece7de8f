package suite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// resources are all namespaced resources that the API server lists, by
// discovery: whatever kind a run might leave is among them.
func (n *space) resources() []schema.GroupVersionResource {
	n.t.Helper()
	lists, err := shared.typed.Discovery().ServerPreferredNamespacedResources()
	n.must(err)
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch"}}, lists)
	found, err := discovery.GroupVersionResources(lists)
	n.must(err)
	return slices.SortedFunc(maps.Keys(found), func(a, b schema.GroupVersionResource) int {
		return strings.Compare(a.String(), b.String())
	})
}

// objects are all objects of the namespace, and the cluster's volumes and
// snapshot contents that belong to it, by "resource/name". A volume, whose name
// nobody can foretell, is "persistentvolumes/of CLAIM".
func (n *space) objects() map[string]*unstructured.Unstructured {
	n.t.Helper()
	found := map[string]*unstructured.Unstructured{}
	for _, gvr := range n.resources() {
		list, err := shared.dynamic.Resource(gvr).Namespace(n.name).List(n.t.Context(), metav1.ListOptions{})
		n.must(err)
		for i := range list.Items {
			found[gvr.GroupResource().String()+"/"+list.Items[i].GetName()] = &list.Items[i]
		}
	}
	for _, kind := range []string{"volume", "snapshotcontent"} {
		gvr := inventoried()[kind]
		list, err := shared.dynamic.Resource(gvr).List(n.t.Context(), metav1.ListOptions{})
		n.must(err)
		for i := range list.Items {
			if o := &list.Items[i]; n.owns(o.Object) {
				found[gvr.Resource+"/of "+ownerOf(o)] = o
			}
		}
	}
	return found
}

// ownerOf is the claim or snapshot that a cluster-scoped object is bound to.
func ownerOf(o *unstructured.Unstructured) string {
	for _, field := range []string{"claimRef", "volumeSnapshotRef"} {
		if name, ok, _ := unstructured.NestedString(o.Object, "spec", field, "name"); ok {
			return name
		}
	}
	return ""
}

// changes lists what was made, removed or changed between two states of a
// namespace, events aside.
func changes(before, after map[string]*unstructured.Unstructured) []string {
	var list []string
	for name, old := range before {
		switch now := after[name]; {
		case isEvent(name):
		case now == nil:
			list = append(list, "removed "+name)
		case old.GetUID() != now.GetUID():
			list = append(list, "replaced "+name)
		case cmp.Diff(content(old), content(now)) != "":
			list = append(list, "changed "+name)
		}
	}
	for name := range after {
		if before[name] == nil && !isEvent(name) {
			list = append(list, "made "+name)
		}
	}
	slices.Sort(list)
	return list
}

// isEvent reports whether the object is an event, of either of its groups.
func isEvent(name string) bool {
	return strings.HasPrefix(name, "events/") || strings.HasPrefix(name, "events.")
}

// content is the object without what the API server notes of each write, and what
// controllers note of a claim that a pod used or that was cloned: since when no
// pod uses it, and the provisioner's finalizer, which it takes away on its own time.
func content(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	o.SetManagedFields(nil)
	o.SetResourceVersion("")
	if o.GetKind() == "PersistentVolumeClaim" {
		unstructured.RemoveNestedField(o.Object, "status", "conditions")
		o.SetFinalizers(slices.DeleteFunc(o.GetFinalizers(), func(f string) bool {
			return f == "provisioner.storage.kubernetes.io/cloning-protection"
		}))
	}
	return o.Object
}

// differs fails the test unless the namespace differs from before in exactly
// what is listed.
func (n *space) differs(before map[string]*unstructured.Unstructured, want ...string) {
	n.t.Helper()
	slices.Sort(want)
	var after map[string]*unstructured.Unstructured
	diff := n.settled(func() string {
		after = n.objects()
		return cmp.Diff(want, changes(before, after))
	}, func() bool {
		return !slices.ContainsFunc(changes(before, after), func(change string) bool {
			_, name, _ := strings.Cut(change, " ")
			return !slices.Contains(want, change) && !trails(name)
		})
	})
	if diff != "" {
		n.t.Errorf("namespace %s differs from before otherwise (-want +got):\n%s", n.name, diff+details(before, after))
	}
}

// details shows how the objects that are in both states differ.
func details(before, after map[string]*unstructured.Unstructured) string {
	var text strings.Builder
	for name, old := range before {
		if now := after[name]; now != nil && !isEvent(name) {
			if diff := cmp.Diff(content(old), content(now)); diff != "" {
				fmt.Fprintf(&text, "%s:\n%s", name, diff)
			}
		}
	}
	return text.String()
}

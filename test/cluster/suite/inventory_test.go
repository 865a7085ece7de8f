package suite

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// inventoried are the kinds of which a run may leave nothing, but for what keeps
// says.
func inventoried() map[string]schema.GroupVersionResource {
	core := func(r string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Version: "v1", Resource: r}
	}
	snapshot := func(r string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: r}
	}
	return map[string]schema.GroupVersionResource{
		"pod": core("pods"), "claim": core("persistentvolumeclaims"), "volume": core("persistentvolumes"), "configmap": core("configmaps"),
		"secret": core("secrets"), "serviceaccount": core("serviceaccounts"), "service": core("services"),
		"job":             {Group: "batch", Version: "v1", Resource: "jobs"},
		"lease":           {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		"snapshot":        snapshot("volumesnapshots"),
		"snapshotcontent": snapshot("volumesnapshotcontents"),
	}
}

// inventory names all objects of the namespace, and the cluster's volumes and
// snapshot contents that belong to it.
func (n *space) inventory() []string {
	n.t.Helper()
	var names []string
	for kind, gvr := range inventoried() {
		list, err := shared.dynamic.Resource(gvr).List(n.t.Context(), metav1.ListOptions{})
		n.must(err)
		for _, o := range list.Items {
			if o.GetNamespace() == n.name || o.GetNamespace() == "" && n.owns(o.Object) {
				names = append(names, kind+"/"+o.GetName())
			}
		}
	}
	slices.Sort(names)
	return names
}

// owns reports whether a cluster-scoped object is bound to something of the
// namespace.
func (n *space) owns(object map[string]any) bool {
	spec, _ := object["spec"].(map[string]any)
	for _, field := range []string{"claimRef", "volumeSnapshotRef"} {
		if ref, ok := spec[field].(map[string]any); ok && ref["namespace"] == n.name {
			return true
		}
	}
	return false
}

// atRest waits until the storage has removed what stood behind claims and
// snapshots that are gone: a state taken before that would show it as removed by
// whatever comes next.
func (n *space) atRest() *space {
	n.t.Helper()
	var going []string
	for began := time.Now(); time.Since(began) < trailing; time.Sleep(200 * time.Millisecond) {
		if going = n.going(); len(going) == 0 {
			return n
		}
	}
	n.t.Fatalf("namespace %s: still there after %s: %v", n.name, trailing, going)
	return nil
}

// going names the cluster's volumes and snapshot contents whose claim or snapshot
// in the namespace is gone, and which are to go with it.
func (n *space) going() []string {
	n.t.Helper()
	var names []string
	for _, pair := range []struct{ behind, before, ref, policy string }{
		{"volume", "claim", "claimRef", "persistentVolumeReclaimPolicy"},
		{"snapshotcontent", "snapshot", "volumeSnapshotRef", "deletionPolicy"},
	} {
		behind, err := shared.dynamic.Resource(inventoried()[pair.behind]).List(n.t.Context(), metav1.ListOptions{})
		n.must(err)
		before, err := shared.dynamic.Resource(inventoried()[pair.before]).Namespace(n.name).List(n.t.Context(), metav1.ListOptions{})
		n.must(err)
		for _, o := range behind.Items {
			uid, _, _ := unstructured.NestedString(o.Object, "spec", pair.ref, "uid")
			policy, _, _ := unstructured.NestedString(o.Object, "spec", pair.policy)
			isOwner := func(owner unstructured.Unstructured) bool { return string(owner.GetUID()) == uid }
			if n.owns(o.Object) && policy == "Delete" && !slices.ContainsFunc(before.Items, isOwner) {
				names = append(names, pair.behind+"/"+o.GetName())
			}
		}
	}
	return names
}

// leftNothing fails the test when the namespace holds more than before, but for
// the history, and what else is named.
func (n *space) leftNothing(before []string, kept ...string) {
	n.t.Helper()
	isHistory := func(name string) bool { return strings.HasPrefix(name, "configmap/vk-status-") }
	wanted := slices.DeleteFunc(append(slices.Clone(before), kept...), isHistory)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	var now []string
	diff := n.settled(func() string {
		now = slices.DeleteFunc(n.inventory(), isHistory)
		return cmp.Diff(wanted, now)
	}, func() bool {
		return !slices.ContainsFunc(now, func(name string) bool { return !slices.Contains(wanted, name) && !trails(name) })
	})
	if diff != "" {
		n.t.Errorf("namespace %s (-before +now):\n%s", n.name, diff)
	}
}

// trailing is how long the storage may take to remove what stood behind a claim or
// a snapshot, in sight of a caller whose Role shows neither. Whatever else a run
// made must be gone when its command has ended. A provisioner that met a conflict
// tries again only after a while.
const trailing = time.Minute

// trails reports whether an object belongs to no namespace.
func trails(name string) bool {
	for _, kind := range []string{"volume/", "snapshotcontent/", "persistentvolumes/", "volumesnapshotcontents/"} {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// settled returns what a look at the cluster finds, empty if all is as it is to be.
// It looks again only for what belongs to no namespace, and not for a runner that
// can see that itself.
func (n *space) settled(look func() string, onlyTrailing func() bool) string {
	n.t.Helper()
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		found := look()
		if found == "" || n.seesVolumes || time.Since(began) > trailing || !onlyTrailing() {
			return found
		}
	}
}

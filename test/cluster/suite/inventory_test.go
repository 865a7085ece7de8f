package suite

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// leftNothing fails the test when the namespace holds more than before, but for
// the history, and what else is named.
func (n *space) leftNothing(before []string, kept ...string) {
	n.t.Helper()
	wanted := map[string]bool{}
	for _, name := range append(slices.Clone(before), kept...) {
		wanted[name] = true
	}
	var diff string
	for began := time.Now(); ; time.Sleep(300 * time.Millisecond) {
		now := map[string]bool{}
		for _, name := range n.inventory() {
			if !strings.HasPrefix(name, "configmap/vk-status-") {
				now[name] = true
			}
		}
		diff = cmp.Diff(slices.Sorted(maps.Keys(wanted)), slices.Sorted(maps.Keys(now)))
		if diff == "" || time.Since(began) > grace {
			break
		}
	}
	if diff != "" {
		n.t.Errorf("namespace %s (-before +now):\n%s", n.name, diff)
	}
}

// grace is zero: when the command has ended, all of it must be gone.
const grace = 0 * time.Second

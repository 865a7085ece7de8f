package suite

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// witness keeps every state of a namespace's objects that the API server has
// told, as JSON, by resource.
type witness struct {
	mu     sync.Mutex
	states map[string][]string
}

// watched are the resources in whose states a fault shows.
func watched() []schema.GroupVersionResource {
	all := inventoried()
	return []schema.GroupVersionResource{
		all["pod"], all["claim"], all["job"], all["lease"], all["snapshot"], all["snapshotcontent"], {Version: "v1", Resource: "events"},
	}
}

// watch begins to watch the namespace until the test ends.
func (n *space) watch() *witness {
	w := &witness{states: map[string][]string{}}
	ctx, stop := context.WithCancel(context.WithoutCancel(n.t.Context()))
	n.t.Cleanup(stop)
	for _, gvr := range watched() {
		go w.follow(ctx, n, gvr)
	}
	return w
}

// follow keeps states until ctx ends, also when a watch breaks. Snapshot contents
// belong to no namespace.
func (w *witness) follow(ctx context.Context, n *space, gvr schema.GroupVersionResource) {
	var objects dynamic.ResourceInterface = shared.dynamic.Resource(gvr)
	if gvr.Resource != "volumesnapshotcontents" {
		objects = shared.dynamic.Resource(gvr).Namespace(n.name)
	}
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		watching, err := objects.Watch(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for event := range watching.ResultChan() {
			if o, ok := event.Object.(*unstructured.Unstructured); ok && (o.GetNamespace() != "" || n.owns(o.Object)) {
				w.keep(gvr.Resource, o)
			}
		}
	}
}

func (w *witness) keep(resource string, o *unstructured.Unstructured) {
	o.SetManagedFields(nil)
	text, err := json.Marshal(o.Object)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[resource] = append(w.states[resource], string(text))
}

// find returns what the pattern matches in the states of a resource, or "".
func (w *witness) find(resource string, is *regexp.Regexp) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.states[resource] {
		if found := is.FindString(text); found != "" {
			return strings.ReplaceAll(found, `"`, "")
		}
	}
	return ""
}

// last is the newest state of a resource's objects, or "".
func (w *witness) last(resource string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if states := w.states[resource]; len(states) > 0 {
		return states[len(states)-1]
	}
	return ""
}

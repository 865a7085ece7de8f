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
		all["pod"], all["claim"], all["job"], all["lease"], all["snapshot"], {Version: "v1", Resource: "events"},
	}
}

// watch begins to watch the namespace until the test ends.
func (n *space) watch() *witness {
	w := &witness{states: map[string][]string{}}
	ctx, stop := context.WithCancel(context.WithoutCancel(n.t.Context()))
	n.t.Cleanup(stop)
	for _, gvr := range watched() {
		go w.follow(ctx, n.name, gvr)
	}
	return w
}

// follow keeps states until ctx ends, also when a watch breaks.
func (w *witness) follow(ctx context.Context, namespace string, gvr schema.GroupVersionResource) {
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		watching, err := shared.dynamic.Resource(gvr).Namespace(namespace).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for event := range watching.ResultChan() {
			if o, ok := event.Object.(*unstructured.Unstructured); ok {
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

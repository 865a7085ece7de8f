package suite

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// record keeps every state of the namespace's objects that the API server tells,
// those too that are gone when the run has ended.
type record struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex
	objects []*unstructured.Unstructured
}

// record begins to record what becomes of the objects of some resources, or
// of all that there are. It ends with the test.
func (n *space) record(only ...string) *record {
	n.t.Helper()
	wanted := map[string]bool{}
	for _, resource := range only {
		wanted[resource] = true
	}
	ctx, cancel := context.WithCancel(n.t.Context())
	r := &record{cancel: cancel}
	for _, gvr := range n.resources() {
		if len(only) == 0 || wanted[gvr.GroupResource().String()] {
			n.follow(ctx, r, gvr)
		}
	}
	n.t.Cleanup(r.stop)
	return r
}

// follow records one resource: what is there, and what comes.
func (n *space) follow(ctx context.Context, r *record, gvr schema.GroupVersionResource) {
	n.t.Helper()
	objects := shared.dynamic.Resource(gvr).Namespace(n.name)
	list, err := objects.List(ctx, metav1.ListOptions{})
	n.must(err)
	for i := range list.Items {
		r.keep(&list.Items[i])
	}
	source, err := objects.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	n.must(err)
	r.wait.Go(func() {
		for event := range source.ResultChan() {
			if o, ok := event.Object.(*unstructured.Unstructured); ok {
				r.keep(o)
			}
		}
		if ctx.Err() == nil {
			n.t.Errorf("the watch of %s ended before the test", gvr)
		}
	})
}

func (r *record) keep(o *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects = append(r.objects, o)
}

// stop ends the recording.
func (r *record) stop() {
	r.cancel()
	r.wait.Wait()
}

// all are the states, of each object in their order.
func (r *record) all() []*unstructured.Unstructured {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.objects
}

package k8s

import (
	"context"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// view keeps the objects of one run in sight: one watch a kind, selected by the
// run's label. The reflector below it survives dropped watches, an API server
// that restarts, and expired resource versions.
type view struct {
	cluster   *Cluster
	namespace string
	runID     string

	mu      sync.Mutex
	kinds   map[string]*sight
	objects map[objectKey]seen
	// changed is closed and replaced at every change.
	changed chan struct{}
	// stop ends the watches.
	stop chan struct{}
}

type objectKey struct{ kind, name string }

// seen is the last state of an object; gone: the API server has said that it no
// longer exists.
type seen struct {
	object *unstructured.Unstructured
	gone   bool
}

func newView(c *Cluster, namespace, runID string) *view {
	return &view{
		cluster: c, namespace: namespace, runID: runID,
		kinds: map[string]*sight{}, objects: map[objectKey]seen{}, changed: make(chan struct{}), stop: make(chan struct{}),
	}
}

// close ends the watches. It may be called once.
func (v *view) close() { close(v.stop) }

// watch begins to watch a kind, once, and returns when its present state is
// known.
func (v *view) watch(ctx context.Context, kind string) error {
	v.mu.Lock()
	known := v.kinds[kind] != nil
	s := &sight{}
	if !known {
		v.kinds[kind] = s
	}
	v.mu.Unlock()
	if known {
		return nil
	}
	objects, err := v.client(kind)
	if err != nil {
		return err
	}
	informer := cache.NewSharedIndexInformerWithOptions(v.noting(objects, s), &unstructured.Unstructured{},
		cache.SharedIndexInformerOptions{ObjectDescription: kind})
	handle, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { v.note(kind, obj, false) },
		UpdateFunc: func(_, obj any) { v.note(kind, obj, false) },
		DeleteFunc: func(obj any) { v.note(kind, obj, true) },
	})
	if err != nil {
		return err
	}
	if err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { s.note(err) }); err != nil {
		return err
	}
	go informer.Run(v.stop)
	return waitSynced(ctx, kind, handle.HasSynced, s.lost)
}

// waitSynced waits until a watch knows the present state: at most as long as a
// request is tried again, and not at all for a right that is missing.
func waitSynced(ctx context.Context, kind string, synced func() bool, last func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !synced() {
		err := last()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case apierrors.IsForbidden(err):
			return fault.New(fault.Refused, "watch the %ss of this run: %w", kind, err).
				WithHint("kubectl volsync-kopia doctor says which rights a run needs")
		case patient.Err() == nil:
		case err != nil:
			return fault.New(fault.Failed, "watch the %ss of this run, tried for %s: %w", kind, patience, err)
		default:
			return fault.New(fault.Failed, "the API server has not listed the %ss of this run within %s", kind, patience)
		}
		select {
		case <-patient.Done():
		case <-tick.C:
		}
	}
	return nil
}

// note keeps the state of an object. The last state of one that is gone stays
// known: a pod's end is read from it.
func (v *view) note(kind string, obj any, gone bool) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects[objectKey{kind, u.GetName()}] = seen{u, gone}
	close(v.changed)
	v.changed = make(chan struct{})
}

// get returns the last state of an object; nil: it was never seen.
func (v *view) get(kind, name string) (object *unstructured.Unstructured, gone bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.objects[objectKey{kind, name}]
	return s.object, s.gone
}

// pod returns the pod with the role: one that is not gone, or else the last one
// that was; nil: none was ever seen.
func (v *view) pod(role string) (object *unstructured.Unstructured, gone bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key, s := range v.objects {
		if key.kind != "Pod" || s.object.GetLabels()[plan.LabelRole] != role {
			continue
		}
		if object == nil || gone && !s.gone {
			object, gone = s.object, s.gone
		}
	}
	return object, gone
}

// over reports whether a Job that is watched will make no pod any more.
func (v *view) over(job string) (bool, error) {
	object, gone := v.get("Job", job)
	if object == nil || gone {
		return true, nil
	}
	var j batchv1.Job
	if err := convert(object, &j); err != nil {
		return false, err
	}
	return finished(&j) || suspended(&j), nil
}

// until waits until done says so or fails, and asks it again at every change
// and every beat. When ctx ends first, its cause is returned.
func (v *view) until(ctx context.Context, done func() (bool, error)) error {
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		v.mu.Lock()
		changed := v.changed
		v.mu.Unlock()
		ended, err := done()
		if ended || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-beat.C: // what is judged by its age changes without an event
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// poke makes every waiting until look again.
func (v *view) poke() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.changed)
	v.changed = make(chan struct{})
}

// objects of the kind in the run's namespace.
func (v *view) client(kind string) (dynamic.ResourceInterface, error) {
	return v.cluster.objects(kind, v.namespace)
}

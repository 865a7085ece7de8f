package k8s

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	v1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
)

// complaint is what the cluster's Warning events say about one of the run's
// objects, folded by reason.
type complaint struct {
	kind, name, reason string
	// text is the newest event's own.
	text  string
	count int
	// first and last are this machine's times: no clocks are compared.
	first, last time.Time
}

// String is the complaint as a person reads it.
func (c complaint) String() string {
	times := ""
	if c.count > 1 {
		times = fmt.Sprintf(", %d times in %s", c.count, c.last.Sub(c.first).Round(time.Second))
	}
	return fmt.Sprintf("%s %s: %s%s: %s", strings.ToLower(c.kind), c.name, c.reason, times, c.text)
}

// warnings listens to the Warning events of a namespace and keeps those about
// names that the run made. Events only explain: without the right to watch them
// a run goes on.
type warnings struct {
	now  func() time.Time
	mine func(name string) bool

	mu   sync.Mutex
	list []complaint
	// kept is the version of each event that was kept: a list brings them again.
	kept map[types.UID]string
}

// listen begins to listen, from now on. heard is called after every event that
// was kept.
func (w *warnings) listen(ctx context.Context, c *Cluster, namespace string, heard func()) {
	events := c.typed.CoreV1().Events(namespace)
	// One item is enough: the list is asked for its resource version.
	list, err := events.List(ctx, metav1.ListOptions{FieldSelector: notNormal, Limit: 1})
	if apierrors.IsForbidden(err) {
		return
	}
	go func() {
		from := ""
		if err == nil {
			from = list.ResourceVersion
		}
		for ctx.Err() == nil {
			if from != "" {
				w.hear(ctx, events, from, heard)
			}
			// The watch has ended since its resource version has expired.
			if pause(ctx, relistDelay) != nil {
				return
			}
			from = w.catchUp(ctx, events, heard)
		}
	}()
}

const (
	// notNormal selects the events that complain.
	notNormal = "type!=Normal"
	// relistDelay keeps a server that cannot hold a watch from being asked all the time.
	relistDelay = time.Second
)

// hear keeps the events of one watch until it cannot go on.
func (w *warnings) hear(ctx context.Context, events v1.EventInterface, from string, heard func()) {
	source, err := toolswatch.NewRetryWatcherWithContext(ctx, from, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = notNormal
			return events.Watch(ctx, o)
		},
	})
	if err != nil {
		return
	}
	defer source.Stop()
	for e := range source.ResultChan() {
		if event, ok := e.Object.(*corev1.Event); ok && w.keep(event) {
			heard()
		}
	}
}

// catchUp keeps what a watch may have missed, and returns where the next one goes
// on; "": the list could not be read.
func (w *warnings) catchUp(ctx context.Context, events v1.EventInterface, heard func()) string {
	list, err := events.List(ctx, metav1.ListOptions{FieldSelector: notNormal})
	if err != nil {
		return ""
	}
	for i := range list.Items {
		if w.keep(&list.Items[i]) {
			heard()
		}
	}
	return list.ResourceVersion
}

// keep folds an event into what is known, and reports whether that is anything new.
func (w *warnings) keep(e *corev1.Event) bool {
	if !w.mine(e.InvolvedObject.Name) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if version, known := w.kept[e.UID]; known && version == e.ResourceVersion {
		return false
	}
	if w.kept == nil {
		w.kept = map[types.UID]string{}
	}
	w.kept[e.UID] = e.ResourceVersion
	now := w.now()
	i := slices.IndexFunc(w.list, func(c complaint) bool {
		return c.kind == e.InvolvedObject.Kind && c.name == e.InvolvedObject.Name && c.reason == e.Reason
	})
	if i < 0 {
		w.list = append(w.list, complaint{kind: e.InvolvedObject.Kind, name: e.InvolvedObject.Name, reason: e.Reason, first: now})
		i = len(w.list) - 1
	}
	c := &w.list[i]
	c.text, c.last, c.count = strings.TrimSpace(e.Message), now, c.count+1
	return true
}

// all returns what was heard, oldest first.
func (w *warnings) all() []complaint {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// newest returns the newest complaint about a kind of object, if there is one.
func (w *warnings) newest(kinds ...string) (complaint, bool) {
	var found complaint
	for _, c := range w.all() {
		if slices.Contains(kinds, c.kind) && !c.last.Before(found.last) {
			found = c
		}
	}
	return found, found.reason != ""
}

package k8s

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// sight is whether the objects of a kind are seen. Its reflector tries again for
// ever, whatever the API server says, and tells nobody.
type sight struct {
	mu sync.Mutex
	// err is why they are not; nil: they are.
	err error
	// answers counts how often they have been listed or a watch was begun.
	answers int
}

// note keeps how the last list or watch went.
func (s *sight) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil {
		s.answers++
	}
}

// get returns why the objects are not seen, and how often they were listed before.
func (s *sight) get() (answers int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers, s.err
}

// lost is why they are not seen, or nil.
func (s *sight) lost() error {
	_, err := s.get()
	return err
}

// noting lists and watches a run's objects, and has s note how that goes.
func (v *view) noting(objects dynamic.ResourceInterface, s *sight) cache.ListerWatcher {
	ours := plan.LabelRun + "=" + v.runID
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = ours
			list, err := objects.List(ctx, o)
			s.note(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = ours
			w, err := objects.Watch(ctx, o)
			s.note(err)
			return w, err
		},
	}, v.cluster.dynamic)
}

// unseen says why the objects of a kind that is watched are not seen at present; nil:
// they are. answers tells one loss from the next.
func (v *view) unseen(kind string) (answers int, err error) {
	v.mu.Lock()
	s := v.kinds[kind]
	v.mu.Unlock()
	if s == nil {
		return 0, nil
	}
	return s.get()
}

// alsoUnseen adds to why something is waited for that a kind is not seen any more.
func (v *view) alsoUnseen(why string) string {
	for _, kind := range v.watched() {
		if _, err := v.unseen(kind); err != nil {
			return strings.TrimPrefix(why+"; "+notWatched(kind, err), "; ")
		}
	}
	return why
}

// watched are the kinds that are, in order.
func (v *view) watched() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.kinds))
}

func notWatched(kind string, err error) string {
	return fmt.Sprintf("the %ss of this run cannot be watched: %v", kind, withoutAddress(err))
}

// outOfSight ends the wait for a pod that this command may no longer see: whoever's
// token has expired, or right was withdrawn, could wait for ever. heard is when the
// mover was last heard, which is as good; zero: it is not listened to. A loss that
// lasts is said, whatever it comes from.
func (t *Target) outOfSight(heard time.Time) error {
	answers, err := t.view.unseen("Pod")
	if err == nil || t.cancelling {
		return nil
	}
	condition := fmt.Sprintf("not watched after %d answers", answers)
	since := t.since(condition)
	if t.now().Sub(since) >= worthSaying && t.once(condition) {
		t.say("%s; trying again", notWatched("Pod", err))
	}
	if heard.After(since) {
		since = heard
	}
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) || t.now().Sub(since) < patience {
		return nil
	}
	return fault.New(fault.Failed, "%w: the Pods of this run could not be watched for %s: %w", run.ErrOutOfSight, patience, withoutAddress(err)).
		WithHint("it was not told to stop; with a login and the right to watch pods, kubectl volsync-kopia runs attach " + t.plan.RunID +
			" -n " + t.plan.Object.Namespace + " follows it to its end")
}

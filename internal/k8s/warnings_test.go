package k8s

import (
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

func complaining(name, reason string) corev1.Event {
	return corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name + reason, UID: types.UID(name + reason), ResourceVersion: "7"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: name}, Reason: reason, Message: "why",
	}
}

// A resource version expires: what was missed meanwhile is read, and what comes
// is heard again.
func TestWarningsAreHeardAfterAnExpiredWatch(t *testing.T) {
	t.Parallel()
	typed := fake.NewClientset()
	lists, watches := 0, make(chan *watch.FakeWatcher, 2)
	typed.PrependReactor("list", "events", func(ktesting.Action) (bool, runtime.Object, error) {
		list := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: "5"}}
		if lists++; lists > 1 {
			list.Items = []corev1.Event{complaining("m", "Early"), complaining("m", "Missed"), complaining("another", "NotOurs")}
		}
		return true, list, nil
	})
	typed.PrependWatchReactor("events", func(ktesting.Action) (bool, watch.Interface, error) {
		w := watch.NewFakeWithOptions(watch.FakeOptions{ChannelSize: 2})
		watches <- w
		return true, w, nil
	})
	heard := make(chan struct{}, 9)
	w := &warnings{now: time.Now, mine: func(name string) bool { return name == "m" }}
	w.listen(t.Context(), &Cluster{typed: typed}, testNamespace, func() { heard <- struct{}{} })

	gone := apierrors.NewResourceExpired("too old").Status()
	first := complaining("m", "Early")
	early := <-watches
	early.Add(&first)
	<-heard
	early.Error(&gone)
	<-heard
	second := complaining("m", "Later")
	(<-watches).Add(&second)
	<-heard
	all := w.all()
	if len(all) != 3 || all[0].reason != "Early" || all[1].reason != "Missed" || all[2].reason != "Later" {
		t.Fatalf("%v", all)
	}
	if all[0].count != 1 {
		t.Errorf("what was heard before the watch expired is counted %d times", all[0].count)
	}
}

// A list brings what was kept already: a volume that was mounted long ago does not
// complain again, but one that does is heard.
func TestAWarningThatIsListedAgainIsNotNew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &warnings{now: func() time.Time { return now }, mine: func(string) bool { return true }}
	once := complaining("m", "FailedMount")
	if !w.keep(&once) {
		t.Fatal("it was not kept")
	}
	now = now.Add(2 * mountGrace)
	if c, _ := w.newest("Pod"); w.keep(&once) || (&Target{}).cannotMount(c) != nil {
		t.Error("the same event ends the start")
	}
	if c, _ := w.newest("Pod"); c.count != 1 || c.last != c.first {
		t.Errorf("counted twice: %s", c)
	}
	again := once
	again.ResourceVersion = "9"
	w.keep(&again)
	if c, _ := w.newest("Pod"); c.count != 2 || (&Target{}).cannotMount(c) == nil {
		t.Errorf("a driver that still complains is not heard: %s", c)
	}
}

// Who may not read events goes without; a server that does not answer is asked again.
func TestWarningsAreListenedToOnceTheServerAnswers(t *testing.T) {
	t.Parallel()
	typed := fake.NewClientset()
	lists := 0
	typed.PrependReactor("list", "events", func(ktesting.Action) (bool, runtime.Object, error) {
		if lists++; lists == 1 {
			return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable}}
		}
		return true, &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: "5"}, Items: []corev1.Event{complaining("m", "Missed")}}, nil
	})
	heard := make(chan struct{}, 9)
	w := &warnings{now: time.Now, mine: func(string) bool { return true }}
	w.listen(t.Context(), &Cluster{typed: typed}, testNamespace, func() { heard <- struct{}{} })
	<-heard
}

// The Lease's name begins those of all runs of its source.
func TestWarningsOfAnotherRunAreNotOurs(t *testing.T) {
	t.Parallel()
	x := NewTarget(&Cluster{}, plan.Plan{}, Outcome{}, &heard{}, time.Now, func(error) {})
	defer x.Close()
	x.keepObject(1, objectOfKind("coordination.k8s.io/v1", "Lease", testNamespace, "vk-src-app-0123456789", nil))
	x.keepObject(2, objectOfKind("batch/v1", "Job", testNamespace, "vk-src-app-0123456789-x7k2q", nil))
	for name, mine := range map[string]bool{
		"vk-src-app-0123456789-x7k2q":       true,
		"vk-src-app-0123456789-x7k2q-abcde": true,
		"vk-src-app-0123456789-b8m3r-abcde": false,
		"vk-src-app-0123456789-b8m3r":       false,
	} {
		if x.isMine(name) != mine {
			t.Errorf("%s: mine is %v", name, !mine)
		}
	}
}

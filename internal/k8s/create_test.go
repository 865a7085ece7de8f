package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// creating is a run whose only step makes a Job.
func creating(t *testing.T, c *Cluster) *Target {
	t.Helper()
	job := plan.Template(untype(t, moverJob()).Object)
	p := plan.Plan{RunID: testRun, Object: testSource, Steps: []plan.Step{{ID: 1, Kind: plan.StepCreate, Object: job}}}
	x := NewTarget(c, p, Outcome{}, deaf{}, time.Now, func(error) {})
	t.Cleanup(x.Close)
	return x
}

// TestACancelWaitsForTheAnswerToACreation: an object of which the run does not know
// would stay.
func TestACancelWaitsForTheAnswerToACreation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		time.Sleep(50 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j","uid":"u"}}`))
	}))
	defer server.Close()
	objects, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	x := creating(t, &Cluster{dynamic: objects})
	if err := x.create(ctx, x.plan.Steps[0]); err != nil {
		t.Error(err)
	}
	if made := x.object(1); made == nil || made.GetUID() != "u" {
		t.Errorf("%v", made)
	}
}

// TestWhatWasMadeWithoutAnAnswerIsRemoved, and what another run has made is not.
func TestWhatWasMadeWithoutAnAnswerIsRemoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lost error
		run  string
		gone bool
	}{
		"its answer was lost":       {context.Canceled, testRun, true},
		"the server went away":      {errors.New("no route to host"), testRun, true},
		"it is another run's":       {context.Canceled, "another", false},
		"it was not made, for sure": {apierrors.NewForbidden(batchv1.Resource("jobs"), testJob, errors.New("quota")), testRun, false},
	} {
		w := newWorld(t)
		w.dynamic.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
			made := moverJob()
			made.Labels[plan.LabelRun] = c.run
			if err := w.dynamic.Tracker().Create(resources()["Job"], untype(t, made), testNamespace); err != nil {
				t.Error(err)
			}
			return true, nil, c.lost
		})
		x := creating(t, w.cluster)
		if err := x.create(t.Context(), x.plan.Steps[0]); err == nil {
			t.Errorf("%s: made", name)
		}
		if err := x.Undo(t.Context(), plan.Cleanup{Action: plan.CleanupDeleteUnstarted, Step: 1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := w.dynamic.Resource(resources()["Job"]).Namespace(testNamespace).Get(t.Context(), testJob, metav1.GetOptions{})
		if apierrors.IsNotFound(err) != c.gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestALeaseThatWasMadeWithoutAnAnswerIsReleased: the next run need not wait for it.
func TestALeaseThatWasMadeWithoutAnAnswerIsReleased(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{testRun, "another"} {
		w := newWorld(t)
		w.typed.PrependReactor("create", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			made := wantedLease(holder)
			made.ResourceVersion = "1"
			if err := w.typed.Tracker().Create(coordinationv1.SchemeGroupVersion.WithResource("leases"), made, testNamespace); err != nil {
				t.Error(err)
			}
			return true, nil, context.Canceled
		})
		l := w.leaseFor(testRun)
		if err := l.take(t.Context(), wantedLease(testRun), t.Logf); err == nil {
			t.Fatal("taken")
		}
		if err := l.release(t.Context()); err != nil || (w.held() == nil) != (holder == testRun) {
			t.Errorf("held by %s: %v; the Lease: %v", holder, err, w.held())
		}
	}
}

// TestALeaseThatWasTakenOverWithoutAnAnswerIsThisRuns, or is released, and an API server
// that restarts at that moment ends no run.
func TestALeaseThatWasTakenOverWithoutAnAnswerIsThisRuns(t *testing.T) {
	t.Parallel()
	lost := errors.New("no route to host")
	for name, c := range map[string]struct {
		answer error
		// done is whether the request was carried out, and by whom the Lease is held
		// in the end.
		done  bool
		other string
		held  string
	}{
		"the server restarts":                  {answer: errDown, held: testRun},
		"the server restarts after it is done": {answer: errDown, done: true, held: testRun},
		"its answer is lost":                   {answer: lost, done: true},
		"the request is lost":                  {answer: lost, held: "dead"},
		"somebody else takes it":               {answer: lost, other: "another", held: "another"},
	} {
		w := newWorld(t)
		w.heldBy("dead")
		answered := false
		w.typed.PrependReactor("update", "leases", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if answered {
				return false, nil, nil
			}
			answered = true
			written := a.(clienttesting.UpdateAction).GetObject().(*coordinationv1.Lease)
			if c.other != "" {
				written.Spec.HolderIdentity = &c.other
			}
			if c.done || c.other != "" {
				if _, _, err := w.lease(a); err != nil {
					t.Error(err)
				}
			}
			return true, nil, c.answer
		})
		l := w.leaseFor(testRun)
		err := l.take(t.Context(), wantedLease(testRun), t.Logf)
		if taken := c.held == testRun; (err == nil) != taken {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			err = l.release(t.Context())
		}
		l.stop()
		held := ""
		if now := w.held(); now != nil {
			held = labelOf(now)
		}
		if err != nil || held != c.held {
			t.Errorf("%s: held by %q, %v", name, held, err)
		}
	}
}

// TestWhoCollectsLeavesNoLease whose making was not answered.
func TestWhoCollectsLeavesNoLease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held, done bool
		answer     error
		state      RunState
	}{
		"the server restarts":        {answer: errDown, state: RunCollected},
		"the same after it is done":  {answer: errDown, done: true, state: RunCollected},
		"its answer is lost":         {answer: errors.New("no route to host"), done: true, state: RunFinished},
		"that of a takeover is lost": {answer: errors.New("no route to host"), done: true, held: true, state: RunFinished},
	} {
		w := newWorld(t, moverJob(startedAgo(time.Hour)), moverPod(ended(good())))
		dead, verb := w.run(), "create"
		if c.held {
			dead.lease, verb = w.heldBy(testRun), "update"
		}
		answered := false
		w.typed.PrependReactor(verb, "leases", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if answered {
				return false, nil, nil
			}
			answered = true
			if c.done {
				if _, _, err := w.lease(a); err != nil {
					t.Error(err)
				}
			}
			return true, nil, c.answer
		})
		err := w.cluster.Bury(t.Context(), dead, time.Now, t.Logf)
		if r := w.run(); (err == nil) != (c.state == RunCollected) || r.State != c.state || w.held() != nil {
			t.Errorf("%s: %v; the run is %s, the Lease %v", name, err, r.State, w.held())
		}
	}
}

// TestACancelledCollectionReleasesItsLease: the next one need not wait for it.
func TestACancelledCollectionReleasesItsLease(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var deleted atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method {
		case http.MethodPost: // the Lease as it was sent
			var made coordinationv1.Lease
			if err := json.NewDecoder(r.Body).Decode(&made); err != nil {
				t.Error(err)
			}
			made.UID, made.ResourceVersion = "l", "1"
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(made)
		case http.MethodDelete:
			deleted.Store(true)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))
		default:
			cancel()
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	typed, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{typed: typed}
	if err := c.Bury(ctx, Run{ID: testRun, Object: testSource, job: moverJob()}, time.Now, t.Logf); err == nil {
		t.Error("it ended well")
	}
	if !deleted.Load() {
		t.Error("its Lease is left")
	}
}

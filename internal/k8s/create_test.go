package k8s

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
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

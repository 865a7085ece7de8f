package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// logs has the mover's log be what lines says at the time.
func (w *world) logs(lines func() (string, error)) {
	w.typed.PrependReactor("get", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "log" {
			return false, nil, nil
		}
		text, err := lines()
		return true, &runtime.Unknown{Raw: []byte(text)}, err
	})
}

// resultLine is the log's last line.
func resultLine(t *testing.T, r result.Result) string {
	t.Helper()
	r.APIVersion, r.Kind, r.RunID, r.Operation, r.Object = result.APIVersion, result.KindResult, testRun, result.OperationBackup, testSource
	line, err := json.Marshal(result.Event{APIVersion: result.APIVersion, Kind: result.KindEvent, Type: result.EventResult, Result: &r})
	if err != nil {
		t.Fatal(err)
	}
	return "2026-11-24T02:47:43.1Z " + result.EventPrefix + string(line) + "\n"
}

// followed is a run whose mover is seen to run, and the step that follows it.
func followed(w *world, said *heard) (*Target, plan.Step) {
	w.t.Helper()
	x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource, Task: &result.Task{RunID: testRun}}, Outcome{}, said, time.Now, func(error) {})
	x.keepObject(1, untype(w.t, moverJob()))
	if err := x.view.watch(w.t.Context(), "Pod"); err != nil {
		w.t.Fatal(err)
	}
	return x, plan.Step{Kind: plan.StepFollow, Targets: []int{1}}
}

// TestALogWithItsResultEndsTheWait: either of the two is enough, and the pod's end is
// never seen here.
func TestALogWithItsResultEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, moverJob(startedAgo(time.Minute)), moverPod(running))
		w.logs(func() (string, error) { return resultLine(t, good()), nil })
		x, step := followed(w, &heard{})
		defer x.Close()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		r, err := x.follow(ctx, step)
		if took := time.Since(began); err != nil || r.Outcome != result.Succeeded || took < logMargin || took > 2*logMargin {
			t.Errorf("%+v, %v, after %s", r, err, took)
		}
		if suspended(w.run().job) {
			t.Error("the mover was told to stop")
		}
	})
}

// refusing ends the watches of pods, and has the API server refuse the next ones.
func (w *world) refusing(err error) (refuse func()) {
	var refused atomic.Bool
	current := make(chan *watch.FakeWatcher, 9)
	w.dynamic.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return refused.Load(), nil, err
	})
	w.dynamic.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		if refused.Load() {
			return true, nil, err
		}
		f := watch.NewFakeWithOptions(watch.FakeOptions{ChannelSize: 1})
		current <- f
		return true, f, nil
	})
	return func() {
		refused.Store(true)
		(<-current).Stop()
	}
}

// TestAMoverOutOfSightIsLeftAlone: the token has expired. As long as the mover is heard
// it is followed; then the command gives up, and neither stops nor judges it.
func TestAMoverOutOfSightIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"expired":   apierrors.NewUnauthorized("token expired"),
		"withdrawn": apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no")),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, moverJob(startedAgo(time.Minute)), moverPod(running))
			refuse := w.refusing(refusal)
			silent := time.Now().Add(5 * time.Minute)
			w.logs(func() (string, error) {
				if time.Now().Before(silent) {
					return time.Now().UTC().Format(time.RFC3339Nano) + " working\n", nil
				}
				return "", refusal
			})
			said := &heard{}
			x, step := followed(w, said)
			defer x.Close()
			refuse()
			r, err := x.follow(t.Context(), step)
			if late := time.Since(silent); r != nil || !errors.Is(err, run.ErrOutOfSight) || late < 0 || late > 2*patience {
				t.Errorf("%s: %+v, %v, %s after the last line", name, r, err, late)
			}
			var f *fault.Error
			if !errors.As(err, &f) || !strings.Contains(f.Hint, "runs attach "+testRun) || !strings.Contains(err.Error(), refusal.Error()) {
				t.Errorf("%s: %v", name, err)
			}
			if suspended(w.run().job) {
				t.Errorf("%s: the mover was told to stop", name)
			}
			if n := strings.Count(strings.Join(said.lines, "\n"), "cannot be watched"); n != 1 {
				t.Errorf("%s: said %d times: %q", name, n, said.lines)
			}
		})
	}
}

package k8s

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	errDown     = apierrors.NewServiceUnavailable("it restarts")
	errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "jobs"}, "j", errors.New("modified"))
)

// answersAfter fails with err until so much time has passed.
func answersAfter(d time.Duration, err error) func(context.Context) error {
	began := time.Now()
	return func(context.Context) error {
		if time.Since(began) < d {
			return err
		}
		return nil
	}
}

func TestARestartOfTheAPIServerIsWaitedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, down := range []time.Duration{time.Second, 10 * time.Second, 45 * time.Second} {
			began := time.Now()
			if err := patiently(t.Context(), answersAfter(down, errDown)); err != nil || time.Since(began) > down+2*retryMost {
				t.Errorf("down for %s: %v after %s", down, err, time.Since(began))
			}
		}
	})
}

func TestAWaitForTheAPIServerIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []string
		ctx := Telling(t.Context(), func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
		if err := patiently(ctx, answersAfter(time.Second, errDown)); err != nil || len(said) > 0 {
			t.Errorf("a moment without an answer: %v, told %q", err, said)
		}
		for range 2 {
			if err := patiently(ctx, answersAfter(20*time.Second, errDown)); err != nil {
				t.Error(err)
			}
		}
		if len(said) != 1 || !strings.Contains(said[0], "trying for 1m0s") || !strings.Contains(said[0], "it restarts") {
			t.Errorf("told %q", said)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := patiently(t.Context(), answersAfter(time.Hour, errDown))
		if took := time.Since(began); err == nil || !apierrors.IsServiceUnavailable(err) || took > patience || took < patience-2*retryMost {
			t.Errorf("%v after %s", err, took)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("told to stop"))
		defer cancel()
		err = patiently(ctx, answersAfter(time.Hour, errDown))
		if err == nil || !strings.Contains(err.Error(), "told to stop") || !strings.Contains(err.Error(), "it restarts") {
			t.Errorf("%v", err)
		}
	})
}

func TestOnlyAChangeThatNamesNoVersionOutlastsAConflict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := patientlyChanging(t.Context(), answersAfter(time.Second, errConflict)); err != nil {
			t.Errorf("a merge patch: %v", err)
		}
		if err := patiently(t.Context(), answersAfter(time.Second, errConflict)); !apierrors.IsConflict(err) {
			t.Errorf("another request: %v", err)
		}
		if err := patientlyChanging(t.Context(), answersAfter(time.Second, errors.New("no"))); err == nil {
			t.Error("an answer that is none was asked for again")
		}
	})
}

// A watch that cannot be begun says why.
func TestAWatchThatCannotBeginSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := func() bool { return false }
		began := time.Now()
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("cannot list"))
		err := waitSynced(t.Context(), "Pod", never, func() error { return forbidden })
		if err == nil || !strings.Contains(err.Error(), "cannot list") || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		for name, last := range map[string]error{"it restarts": errDown, "has not listed": nil} {
			began = time.Now()
			err := waitSynced(t.Context(), "Pod", never, func() error { return last })
			if err == nil || !strings.Contains(err.Error(), name) || time.Since(began) > patience+time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
	})
}

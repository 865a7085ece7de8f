package k8s

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// While the API server does not answer, a request is tried again: soon at first,
// then every few seconds, and for longer than a server takes that restarts.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 5 * time.Second
	patience   = time.Minute
	// retryJitter keeps many runs from asking at the same moment.
	retryJitter = 0.2
)

// retryTold is the pause from which on a wait for the API server is told of.
const retryTold = time.Second

// waitTeller is the key of what Telling keeps.
type waitTeller struct{}

// Telling returns a context whose requests tell people, by say, that they wait for an
// API server that does not answer: once, however many they are. A run's own display
// tells of it by itself.
func Telling(ctx context.Context, say func(format string, args ...any)) context.Context {
	var once sync.Once
	return context.WithValue(ctx, waitTeller{}, func(err error) {
		once.Do(func() { say("The API server does not answer; trying for %s: %v", patience, err) })
	})
}

func tell(ctx context.Context, err error) {
	if say, ok := ctx.Value(waitTeller{}).(func(error)); ok {
		say(withoutAddress(err))
	}
}

// withoutAddress is the error of a request without the address and its query, which
// help nobody.
func withoutAddress(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// patiently does a request again and again until it is answered, patience has run
// out or ctx ends. client-go itself waits out a 429 that says how long. What is
// done must be safe to do twice: an answer may have been lost.
func patiently(ctx context.Context, do func(context.Context) error) error {
	return retrying(ctx, transient, do)
}

// patientlyChanging is patiently for a change that names no resourceVersion, as a
// merge patch: whoever was faster has not made it wrong, so that a conflict is
// no answer either.
func patientlyChanging(ctx context.Context, do func(context.Context) error) error {
	return retrying(ctx, func(err error) bool { return apierrors.IsConflict(err) || transient(err) }, do)
}

// listed lists patiently: what is listed decides what is removed, or who is waited for.
func listed[L any](ctx context.Context, list func(context.Context, metav1.ListOptions) (L, error), o metav1.ListOptions) (found L, err error) {
	err = patiently(ctx, func(ctx context.Context) error {
		var err error
		found, err = list(ctx, o)
		return err
	})
	return found, err
}

// retrying does a request again while again says so of its error.
func retrying(ctx context.Context, again func(error) bool, do func(context.Context) error) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for delay := retryFirst; ; delay = min(2*delay, retryMost) {
		err := do(ctx)
		if err == nil || !again(err) {
			return err
		}
		if delay > retryTold {
			tell(ctx, err)
		}
		switch stopped := pause(patient, wait.Jitter(delay, retryJitter)); {
		case ctx.Err() != nil:
			return errors.Join(err, context.Cause(ctx))
		case stopped != nil:
			return fmt.Errorf("tried for %s: %w", patience, err)
		}
	}
}

// transient reports whether a request that failed so may succeed when it is
// sent again unchanged.
func transient(err error) bool {
	switch {
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return true
	case utilnet.IsConnectionRefused(err), utilnet.IsConnectionReset(err), utilnet.IsProbableEOF(err),
		utilnet.IsHTTP2ConnectionLost(err), utilnet.IsTimeout(err):
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF)
}

// answerGrace is how long the answer to a request that was sent is waited for after
// a cancel.
const answerGrace = 5 * time.Second

// answering outlives ctx by answerGrace, for a request that makes something: who does
// not wait for the answer does not know whether there is something to remove.
func answering(ctx context.Context) (context.Context, context.CancelFunc) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(answerGrace, cancel) })
	return sending, func() {
		stop()
		cancel()
	}
}

// isAnswer reports whether an error is the API server's own word on a request, after
// which nothing was done.
func isAnswer(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !transient(err)
}

// cannot is the fault of a request that a command cannot do without. It is refused
// who may not send it.
func cannot(err error, do string) *fault.Error {
	if apierrors.IsForbidden(err) {
		return fault.New(fault.Refused, "%s: %w", do, err).
			WithHint("kubectl volsync-kopia doctor --print-role prints a Role with the rights, for an administrator to apply")
	}
	return fault.New(fault.Failed, "%s: %w", do, err)
}

// cannotList is cannot for a list of one namespace's objects, or of all namespaces':
// for that the Role of a namespace is not enough.
func cannotList(err error, namespace, do string) *fault.Error {
	f := cannot(err, do)
	if f.Kind == fault.Refused && namespace == "" {
		return f.WithHint("choose a namespace with -n; for all of them an administrator binds a ClusterRole with the rules of the Role that " +
			"kubectl volsync-kopia doctor --print-role -n NAMESPACE prints")
	}
	return f
}

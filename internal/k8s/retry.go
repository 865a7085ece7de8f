package k8s

import (
	"context"
	"errors"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
)

// steady is how often a request is tried again while the API server does not
// answer: soon at first, then every few seconds until the context ends.
func steady() wait.Backoff {
	return wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 1000, Cap: 5 * time.Second}
}

// patiently does a request again and again until it is answered or ctx ends.
// client-go itself waits out a 429 that says how long. What is done must be safe
// to do twice: an answer may have been lost.
func patiently(ctx context.Context, do func(context.Context) error) error {
	var last error
	err := wait.ExponentialBackoffWithContext(ctx, steady(), func(ctx context.Context) (bool, error) {
		last = do(ctx)
		if last == nil || !transient(last) {
			return true, nil
		}
		return false, nil
	})
	if err != nil && last != nil {
		return errors.Join(last, context.Cause(ctx))
	}
	if err != nil {
		return context.Cause(ctx)
	}
	return last
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

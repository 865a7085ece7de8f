package mover

import (
	"context"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Refuse ends a run that its process cannot begin, as Run ends one: the Result,
// which it returns, is written to both places, so that the command knows that
// nothing was done. Of the task only the names are read.
func Refuse(ctx context.Context, task result.Task, options Options, reason string, err *fault.Error) result.Result {
	d := newDriver(task, options)
	d.conclude(ctx, refused(reason, err))
	d.publish()
	return d.res
}

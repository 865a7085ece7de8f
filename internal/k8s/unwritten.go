package k8s

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// remember writes the outcome, and notes whether the history has it.
func (t *Target) remember(ctx context.Context, w *writer, r *result.Result) error {
	remembered, err := w.write(ctx, w.planned, t.runOf(r))
	if t.unwritten = r; remembered {
		t.unwritten = nil
	}
	return err
}

// keepUnwritten keeps the outcome on the Job, which counts as not collected: whoever
// looks next writes it. Of a Job that was due to go it is said that it stays.
func (t *Target) keepUnwritten(ctx context.Context, job metav1.Object, wasDue bool) error {
	if err := t.cluster.keepResult(ctx, job, t.unwritten); err != nil || !wasDue {
		return err
	}
	return fault.New(fault.Leftover, "it stays, for it holds the outcome, which the history lacks").
		At("Job " + job.GetNamespace() + "/" + job.GetName()).
		WithHint("once the history can be written, kubectl volsync-kopia status -n " + job.GetNamespace() + " writes the outcome there and removes the Job")
}

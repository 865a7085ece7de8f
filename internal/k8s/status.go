package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// startTimeout bounds telling others that a mover was started.
const startTimeout = 10 * time.Second

// writeStatus writes the outcome: the object's status where it is this run's to
// write, the history, and an Event. Each is tried, whatever becomes of the
// others.
func (t *Target) writeStatus(ctx context.Context, step plan.Step, r *result.Result) error {
	if r == nil {
		return nil
	}
	ctx, cancel := t.lateHook(ctx, r)
	defer cancel()
	t.unwritten = r
	w, err := t.writerOf(step)
	if err != nil {
		return err
	}
	if t.told != nil {
		w.history, w.source = t.told.history, t.told.source
	}
	return t.remember(ctx, w, r)
}

// writerOf is the writer that a step of the plan describes.
func (t *Target) writerOf(step plan.Step) (*writer, error) {
	filled, err := t.fill(step.Object)
	if err != nil {
		return nil, err
	}
	var history corev1.ConfigMap
	if err := convert(filled, &history); err != nil {
		return nil, err
	}
	return &writer{cluster: t.cluster, object: t.plan.Object, live: step.Status.Object != nil, planned: &history}, nil
}

// tellStart notes in history and status that the mover was allowed to start. That it
// cannot is no reason to stop: the outcome is written in any case.
func (t *Target) tellStart(ctx context.Context, step plan.Step) {
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	told, err := t.writerOf(step)
	if err == nil {
		t.told = told
		err = told.begin(bounded, run.Uncollected(t.plan.Task, t.began))
		if told.live {
			err = errors.Join(err, told.patchBeginning(bounded, t.began))
		}
	}
	if err != nil && ctx.Err() == nil {
		t.say("that the mover was started is not noted: %v", err)
	}
}

// Record implements run.Recorder. Of a run whose mover was not yet allowed to start
// nobody was told. When it has failed or ran out of time its outcome is written all the
// same: what went well the last time must not stand for it. One that was refused or
// cancelled is no backup that somebody waits for.
func (t *Target) Record(ctx context.Context, r result.Result) error {
	if t.told != nil {
		return t.remember(ctx, t.told, &r)
	}
	w, err := t.unstarted(&r)
	if w != nil {
		_, err = w.write(ctx, w.planned, t.runOf(&r)) // its Job, which has run nothing, is not kept for it
	}
	return err
}

// unstarted is the writer of a run that has failed before its start, or nil.
func (t *Target) unstarted(r *result.Result) (*writer, error) {
	if r.Outcome != result.Failed && r.Outcome != result.TimedOut {
		return nil, nil //nolint:nilnil // as documented
	}
	for _, step := range t.plan.Steps {
		if step.Kind == plan.StepUnsuspend && step.Object != nil && t.object(step.Targets[0]) != nil {
			return t.writerOf(step)
		}
	}
	return nil, nil //nolint:nilnil // as documented
}

// writer writes outcomes of one object's runs.
type writer struct {
	cluster *Cluster
	object  result.ObjectRef
	// live is true when the object is in the cluster and its status is to be
	// written.
	live bool
	// planned is the history as the plan has it; nil: no plan is at hand.
	planned *corev1.ConfigMap
	// history and source are what the writing of the start has returned; nil: unknown.
	// As long as nobody else writes, the end need not read them.
	history *corev1.ConfigMap
	source  *unstructured.Unstructured
}

// write writes one finished run; remembered is true when it is in the history. Of
// a run that was in it already only the status is written again, by what the history
// says of it: whoever wrote that may have died before the status. When a later run
// has come the status is that one's.
func (w writer) write(ctx context.Context, history *corev1.ConfigMap, ended status.Run) (remembered bool, err error) {
	known, err := w.addHistory(ctx, history, ended)
	if known == nil {
		w.event(ctx, history, ended)
	} else {
		ended.Result = known.result
	}
	if w.live && (known == nil || !known.outdated) {
		return err == nil, errors.Join(w.patchStatus(ctx, ended), err)
	}
	return err == nil, err
}

// patchBeginning has the object's status say that a mover runs.
func (w *writer) patchBeginning(ctx context.Context, began time.Time) error {
	objects, err := w.cluster.objects(w.object.Kind, w.object.Namespace)
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		patch, err := w.beginningPatch(ctx, objects, began)
		if err != nil {
			return err
		}
		w.source, err = objects.Patch(ctx, w.object.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy}, "status")
		return err
	})
	if err != nil {
		w.source = nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fault.New(fault.Leftover, "write its status: %w", err).At(w.object.String())
	}
	return nil
}

// beginningPatch is what patchBeginning sends. The conditions of a maintenance are not
// all ours, and a merge replaces the list: that of the live object is read first.
func (w *writer) beginningPatch(ctx context.Context, objects dynamic.ResourceInterface, began time.Time) ([]byte, error) {
	if !maintains(w.object.Kind) {
		return json.Marshal(map[string]any{"status": status.Beginning(began)})
	}
	live, err := objects.Get(ctx, w.object.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	before, err := statusIn[status.Maintenance](live)
	if err != nil {
		return nil, err
	}
	return statusPatch(status.MaintenanceBeginning(before, began), live.GetResourceVersion())
}

// patchStatus brings the object's status up to date.
func (w writer) patchStatus(ctx context.Context, ended status.Run) error {
	objects, err := w.cluster.objects(w.object.Kind, w.object.Namespace)
	if err != nil {
		return err
	}
	live := w.source
	err = patiently(ctx, func(ctx context.Context) error {
		return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
			err := w.patchStatusOf(ctx, objects, live, ended)
			live = nil // it is read now, if this was not the last attempt
			return err
		})
	})
	if apierrors.IsNotFound(err) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return fault.New(fault.Leftover, "write its status: %w", err).At(w.object.String()).
			WithHint("kubectl volsync-kopia status shows the outcome from the history")
	}
	return nil
}

// patchStatusOf is one attempt. The object is read unless it is known; then the API
// server refuses the patch if it has changed since.
func (w writer) patchStatusOf(ctx context.Context, objects dynamic.ResourceInterface, live *unstructured.Unstructured, ended status.Run) error {
	version := ""
	if live != nil {
		version = live.GetResourceVersion()
	} else {
		var err error
		if live, err = objects.Get(ctx, w.object.Name, metav1.GetOptions{}); err != nil {
			return err
		}
	}
	after, err := statusAfter(w.object.Kind, live, ended)
	if err != nil {
		return err
	}
	patch, err := statusPatch(after, version)
	if err != nil {
		return err
	}
	_, err = objects.Patch(ctx, w.object.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy}, "status")
	return err
}

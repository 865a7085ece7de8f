package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// writeStatus writes the outcome: the object's status where it is this run's to
// write, the history, and an Event. Each is tried, whatever becomes of the
// others.
func (t *Target) writeStatus(ctx context.Context, step plan.Step, r *result.Result) error {
	if r == nil {
		return nil
	}
	history, err := t.fill(step.Object)
	if err != nil {
		return err
	}
	var wanted corev1.ConfigMap
	if err := convert(history, &wanted); err != nil {
		return err
	}
	w := writer{cluster: t.cluster, object: t.plan.Object, live: step.Status.Object != nil}
	return w.write(ctx, &wanted, t.runOf(r))
}

// writer writes outcomes of one object's runs.
type writer struct {
	cluster *Cluster
	object  result.ObjectRef
	// live is true when the object is in the cluster and its status is to be
	// written.
	live bool
}

// write writes one finished run. A run that is in the history already is not
// written twice.
func (w writer) write(ctx context.Context, history *corev1.ConfigMap, run status.Run) error {
	var errs []error
	if w.live {
		errs = append(errs, w.patchStatus(ctx, run))
	}
	errs = append(errs, w.addHistory(ctx, history, run))
	w.event(ctx, history, run)
	return errors.Join(errs...)
}

// patchStatus brings the object's status up to date.
func (w writer) patchStatus(ctx context.Context, run status.Run) error {
	objects, err := w.cluster.objects(w.object.Kind, w.object.Namespace)
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		live, err := objects.Get(ctx, w.object.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		var before struct {
			Status status.Status `json:"status"`
		}
		if err := convert(live, &before); err != nil {
			return err
		}
		patch, err := statusPatch(status.After(before.Status, run))
		if err != nil {
			return err
		}
		_, err = objects.Patch(ctx, w.object.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy}, "status")
		return err
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

// statusPatch is a merge patch that sets every field of the status, those that
// are empty too: a time that no longer holds must go.
func statusPatch(after status.Status) ([]byte, error) {
	data, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	for _, optional := range []string{"lastSyncStartTime", "nextSyncTime"} {
		if _, set := fields[optional]; !set {
			fields[optional] = nil
		}
	}
	return json.Marshal(map[string]any{"status": fields})
}

// addHistory adds the run to the history ConfigMap, which is made if need be.
func (w writer) addHistory(ctx context.Context, wanted *corev1.ConfigMap, run status.Run) error {
	maps := w.cluster.typed.CoreV1().ConfigMaps(w.object.Namespace)
	err := patiently(ctx, func(ctx context.Context) error {
		return retry.OnError(retry.DefaultBackoff, conflicting, func() error {
			found, err := maps.Get(ctx, wanted.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return createHistory(ctx, w, wanted, run)
			}
			if err != nil {
				return err
			}
			h, err := decodeHistory(found)
			if err != nil {
				return err
			}
			data, err := encodeHistory(h, run)
			if err != nil || data == nil {
				return err
			}
			patch, err := json.Marshal(map[string]any{
				"metadata": map[string]any{"resourceVersion": found.ResourceVersion}, "data": data,
			})
			if err != nil {
				return err
			}
			_, err = maps.Patch(ctx, wanted.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
			return err
		})
	})
	if err != nil {
		return fault.New(fault.Leftover, "write the history: %w", err).At("ConfigMap " + w.object.Namespace + "/" + wanted.Name)
	}
	return nil
}

func conflicting(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

func createHistory(ctx context.Context, w writer, wanted *corev1.ConfigMap, run status.Run) error {
	data, err := encodeHistory(status.History{}, run)
	if err != nil {
		return err
	}
	m := wanted.DeepCopy()
	m.Data = data
	_, err = w.cluster.typed.CoreV1().ConfigMaps(w.object.Namespace).Create(ctx, m, metav1.CreateOptions{FieldManager: plan.ManagedBy})
	return err
}

// encodeHistory is the ConfigMap's data with the run added; nil: it is in it
// already.
func encodeHistory(h status.History, run status.Run) (map[string]string, error) {
	for i := range h.Results {
		if h.Results[i].RunID == run.Result.RunID {
			return nil, nil
		}
	}
	text, err := json.Marshal(h.Add(run))
	if err != nil {
		return nil, fmt.Errorf("encode the history: %w", err)
	}
	return map[string]string{historyKey: string(text)}, nil
}

// event tells the namespace's readers of events. That it cannot be written
// changes nothing: the outcome stands in status and history.
func (w writer) event(ctx context.Context, history *corev1.ConfigMap, run status.Run) {
	r := run.Result
	kind, about := corev1.EventTypeNormal, corev1.ObjectReference{
		APIVersion: plan.GroupVolSync + "/v1alpha1", Kind: w.object.Kind, Namespace: w.object.Namespace, Name: w.object.Name,
		UID: types.UID(w.object.UID),
	}
	if w.object.UID == "" {
		about = corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: history.Namespace, Name: history.Name}
	}
	if r.ExitCode != 0 {
		kind = corev1.EventTypeWarning
	}
	message := string(r.Outcome)
	if r.Snapshot != nil && r.Snapshot.ID != "" {
		message += ": snapshot " + r.Snapshot.ID
	}
	if r.Message != "" {
		message += ": " + r.Message
	}
	at := metav1.NewTime(r.EndTime)
	_, _ = w.cluster.typed.CoreV1().Events(w.object.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: plan.Name(plan.NameSource, w.object, r.RunID) + ".", Namespace: w.object.Namespace,
			Labels: map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRun: r.RunID},
		},
		InvolvedObject: about, Reason: "Backup" + string(r.Outcome), Message: message[:min(len(message), maxEventMessage)], Type: kind,
		Source: corev1.EventSource{Component: plan.ManagedBy}, FirstTimestamp: at, LastTimestamp: at, Count: 1,
	}, metav1.CreateOptions{FieldManager: plan.ManagedBy})
}

// maxEventMessage is the API server's own bound of an Event's message, in bytes.
const maxEventMessage = 1024

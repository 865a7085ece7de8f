package k8s

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// event tells the namespace's readers of events. That it cannot be written
// changes nothing: the outcome stands in status and history.
func (w writer) event(ctx context.Context, history *corev1.ConfigMap, ended status.Run) {
	r := ended.Result
	about := corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: history.Namespace, Name: history.Name}
	if w.object.UID != "" {
		about = referenceTo(w.object)
	}
	message := string(r.Outcome)
	if r.Snapshot != nil && r.Snapshot.ID != "" {
		message += ": snapshot " + r.Snapshot.ID
	}
	if r.Message != "" {
		message += ": " + r.Message
	}
	e := eventOf(w.object, r.RunID, r.Outcome, message, r.EndTime)
	e.InvolvedObject = about
	if r.ExitCode != 0 {
		e.Type = corev1.EventTypeWarning
	}
	_, _ = w.cluster.typed.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{FieldManager: plan.ManagedBy})
}

// TellSkipped tells the namespace's readers of events why the CronJob's run had nothing
// to do: the object, or the CronJob where the cluster does not have the object.
func (c *Cluster) TellSkipped(ctx context.Context, p plan.Plan, now time.Time) error {
	e := eventOf(p.Object, p.RunID, result.Skipped, string(result.Skipped)+": "+p.Skip.Message, now)
	e.InvolvedObject = referenceTo(p.Object)
	if p.Object.UID == "" {
		e.InvolvedObject = corev1.ObjectReference{
			APIVersion: "batch/v1", Kind: "CronJob", Namespace: p.Object.Namespace, Name: plan.Name(plan.NameCron, p.Object, ""),
		}
	}
	err := patiently(ctx, func(ctx context.Context) error {
		_, err := c.typed.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{FieldManager: plan.ManagedBy})
		return err
	})
	if err != nil {
		return fmt.Errorf("write the Event that says so: %w", err)
	}
	return nil
}

func referenceTo(o result.ObjectRef) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: plan.GroupVolSync + "/v1alpha1", Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: types.UID(o.UID),
	}
}

// eventOf is an Event about a run of the object, with nothing to alarm.
func eventOf(o result.ObjectRef, runID string, outcome result.Outcome, message string, at time.Time) *corev1.Event {
	when, what := metav1.NewTime(at), "Backup"
	if maintains(o.Kind) {
		what = "Maintenance"
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: plan.Name(plan.RunsOf(o.Kind), o, runID) + ".", Namespace: o.Namespace,
			Labels: map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRun: runID},
		},
		Reason: what + string(outcome), Message: status.Head(message, maxEventMessage), Type: corev1.EventTypeNormal,
		Source: corev1.EventSource{Component: plan.ManagedBy}, FirstTimestamp: when, LastTimestamp: when, Count: 1,
	}
}

// maxEventMessage is the API server's own bound of an Event's message, in bytes.
const maxEventMessage = 1024

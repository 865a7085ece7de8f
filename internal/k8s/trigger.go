package k8s

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// copyTrigger does one half of the copy-trigger protocol of a claim: take up a
// value that was not served yet, waiting for one if need be; or say that it was
// served.
func (t *Target) copyTrigger(ctx context.Context, step plan.Step) error {
	annotations := map[string]any{plan.AnnotationLatestCopyStatus: step.Trigger.State}
	switch step.Trigger.State {
	case plan.TriggerInProgress:
		if err := t.takeTrigger(ctx, step); err != nil {
			return err
		}
	case plan.TriggerCompleted:
		// The value that the copy was taken for, not one that came since.
		annotations[plan.AnnotationLatestCopyTrigger] = t.triggerValue
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	err = patientlyChanging(ctx, func(ctx context.Context) error {
		_, err := t.claims().Patch(ctx, step.Trigger.Claim, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
		return err
	})
	if err != nil {
		return fault.New(fault.Failed, "annotate it: %w", err).At("PersistentVolumeClaim " + step.Trigger.Claim)
	}
	return nil
}

// takeTrigger reads the trigger's value, and waits for a new one where the step
// says so.
func (t *Target) takeTrigger(ctx context.Context, step plan.Step) error {
	said, asked := state{}, time.Time{}
	look := func() (state, error) {
		if said.why != "" && t.now().Sub(asked) < triggerEvery {
			return said, nil
		}
		asked = t.now()
		var err error
		said, err = t.triggerState(ctx, step)
		return said, err
	}
	if len(step.Waits) == 0 {
		_, err := look()
		return err
	}
	return t.waitFor(ctx, "the copy trigger of PersistentVolumeClaim "+step.Trigger.Claim, step.Waits[0], look)
}

// triggerEvery is how often a claim is asked for a new value: it carries no label of
// the run, by which it could be watched.
const triggerEvery = 5 * time.Second

// triggerState reads the trigger's value.
func (t *Target) triggerState(ctx context.Context, step plan.Step) (state, error) {
	var claim *corev1.PersistentVolumeClaim
	err := patiently(ctx, func(ctx context.Context) error {
		var err error
		claim, err = t.claims().Get(ctx, step.Trigger.Claim, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return state{}, fault.New(fault.Failed, "read its copy trigger: %w", err).At("PersistentVolumeClaim " + step.Trigger.Claim)
	}
	t.triggerValue = claim.Annotations[plan.AnnotationCopyTrigger]
	if t.triggerValue != "" && t.triggerValue != claim.Annotations[plan.AnnotationLatestCopyTrigger] {
		return state{done: true}, nil
	}
	return state{why: plan.AnnotationCopyTrigger + " has no new value"}, nil
}

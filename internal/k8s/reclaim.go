package k8s

import (
	"context"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// reclaim makes what a Retain class would leave behind go with the copy.
func (t *Target) reclaim(ctx context.Context, step plan.Step) error {
	if err := t.refresh(ctx, step.Reclaim.Name.FromStep); err != nil {
		return err
	}
	name, err := t.lookup(step.Reclaim.Name)
	if err != nil {
		return err
	}
	client, err := t.cluster.objects(step.Reclaim.Kind, "")
	if err != nil {
		return err
	}
	patch, err := nested(strings.Split(step.Reclaim.Field, "."), "Delete")
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		_, err := client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
		return err
	})
	if err != nil {
		return fault.New(fault.Failed, "make it go with the copy: %w", err).At(step.Reclaim.Kind + " " + name)
	}
	return nil
}

// refresh reads the object of a step again: a claim that waited for its
// consumer is bound by now.
func (t *Target) refresh(ctx context.Context, step int) error {
	made := t.object(step)
	if made == nil {
		return nil
	}
	client, err := t.view.client(made.GetKind())
	if err != nil {
		return err
	}
	return patiently(ctx, func(ctx context.Context) error {
		newer, err := client.Get(ctx, made.GetName(), metav1.GetOptions{})
		if err == nil {
			t.keepObject(step, newer)
		}
		return err
	})
}

// nested is the JSON object that sets one field.
func nested(path []string, value any) ([]byte, error) {
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return json.Marshal(value)
}

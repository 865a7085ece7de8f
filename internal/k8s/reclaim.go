package k8s

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// reclaim makes what a Retain class would leave behind go with the copy, as soon
// as it exists: then it goes too if nobody is left to remove the copy. A failure
// does not stop a run that has started, since its removal tries again.
func (t *Target) reclaim(ctx context.Context, step plan.Step) error {
	err := t.reclaimNow(ctx, step)
	if err != nil && !t.began.IsZero() && !t.plan.Detached() {
		t.say("%v; the removal of the copy tries again", err)
		return nil
	}
	return err
}

func (t *Target) reclaimNow(ctx context.Context, step plan.Step) error {
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
	b := backing{kind: step.Reclaim.Kind, name: name}
	if err := setPolicy(ctx, client, b); err != nil {
		return fault.New(fault.Failed, "make it go with the copy: %w", err).At(b.kind + " " + b.name)
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

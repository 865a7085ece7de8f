package k8s

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// DryRun sends every object of the plan to the API server, which admits or
// refuses it as in a real run and keeps none. All refusals are returned at once.
//
// What an object takes from an earlier one is taken from the API server's answer
// to that one; a field that only a controller would fill has its least value.
func (c *Cluster) DryRun(ctx context.Context, p plan.Plan) error {
	t := &Target{cluster: c, plan: p, view: newView(c, p.Object.Namespace, p.RunID), made: map[int]*unstructured.Unstructured{}}
	defer t.view.close()
	var errs []error
	for _, step := range p.Steps {
		switch step.Kind {
		case plan.StepLease, plan.StepCreate, plan.StepUnsuspend: // the last one's is the history
			errs = append(errs, t.dryCreate(ctx, step))
		default:
			// nothing is made, or what was made before
		}
	}
	return errors.Join(errs...)
}

// dryCreate sends one object. One that exists and may exist is no refusal; a
// Lease that exists is somebody's.
func (t *Target) dryCreate(ctx context.Context, step plan.Step) error {
	object, err := t.fill(step.Object)
	if err != nil {
		// The object that it refers to was refused, and that was said.
		return nil //nolint:nilerr // see above
	}
	client, err := t.view.client(object.GetKind())
	if err != nil {
		return err
	}
	made, err := client.Create(ctx, object, metav1.CreateOptions{FieldManager: plan.ManagedBy, DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil:
		t.keepObject(step.ID, made)
		return nil
	case apierrors.IsAlreadyExists(err) && step.IfMissing:
		return nil
	case apierrors.IsAlreadyExists(err):
		return fault.New(fault.Refused, "it exists: another run of this source holds it, or a dead one left it").At(named(object)).
			WithHint("kubectl volsync-kopia runs list shows whose it is; a real run takes over what a dead one left")
	}
	return refusedBy(err, object)
}

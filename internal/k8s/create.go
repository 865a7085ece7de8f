package k8s

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// create makes the step's object and waits as the step says.
func (t *Target) create(ctx context.Context, step plan.Step) error {
	object, err := t.fill(step.Object)
	if err != nil {
		return err
	}
	if len(step.Waits) > 0 {
		t.listen(ctx)
	}
	// The copy's claim is removed in the end: a watch sees its volume, and it gone.
	copied := object.GetKind() == "PersistentVolumeClaim" && !step.IfMissing
	if len(step.Waits) > 0 || copied {
		if err := t.view.watch(ctx, object.GetKind()); err != nil {
			return err
		}
	}
	made, err := t.createOnce(ctx, object, step.IfMissing)
	if err != nil {
		t.noteUnanswered(step.ID, object, err)
		return err
	}
	t.keepObject(step.ID, made)
	for _, w := range step.Waits {
		if err := t.await(ctx, w, made); err != nil {
			return err
		}
	}
	return nil
}

// createOnce sends the object. When an answer was lost and the object exists
// already, it is this run's if its label says so.
func (t *Target) createOnce(ctx context.Context, object *unstructured.Unstructured, ifMissing bool) (*unstructured.Unstructured, error) {
	client, err := t.view.client(object.GetKind())
	if err != nil {
		return nil, err
	}
	var made *unstructured.Unstructured
	err = patiently(ctx, func(ctx context.Context) error {
		ctx, answered := answering(ctx)
		defer answered()
		var err error
		made, err = client.Create(ctx, object, metav1.CreateOptions{FieldManager: plan.ManagedBy})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		found, getErr := client.Get(ctx, object.GetName(), metav1.GetOptions{})
		if getErr != nil {
			return getErr
		}
		if ifMissing || found.GetLabels()[plan.LabelRun] == t.plan.RunID {
			made = found
			return nil
		}
		return err
	})
	if err != nil {
		return nil, refusedBy(err, object)
	}
	return made, nil
}

// noteUnanswered keeps an object of which it is not known whether it was made.
func (t *Target) noteUnanswered(step int, object *unstructured.Unstructured, err error) {
	if isAnswer(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unanswered[step] = object
}

// madeBy returns what a step made; nil: nothing. Where no answer came the API server
// is asked: an object of which nobody knows would stay.
func (t *Target) madeBy(ctx context.Context, step int) (*unstructured.Unstructured, error) {
	t.mu.Lock()
	made, wanted := t.made[step], t.unanswered[step]
	t.mu.Unlock()
	if made != nil || wanted == nil {
		return made, nil
	}
	client, err := t.view.client(wanted.GetKind())
	if err != nil {
		return nil, err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		made, err = client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fault.New(fault.Leftover, "see whether it was made: %w", err).At(named(wanted)).
			WithHint("kubectl volsync-kopia cleanup -n " + t.plan.Object.Namespace + " looks again")
	case made.GetLabels()[plan.LabelRun] != t.plan.RunID:
		return nil, nil
	}
	return made, nil
}

// refusedBy is the fault of an object that the API server does not accept.
func refusedBy(err error, object *unstructured.Unstructured) error {
	kind := fault.Failed
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		kind = fault.Refused
	}
	f := fault.New(kind, "create it: %w", err).At(object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName())
	if apierrors.IsForbidden(err) {
		f = f.WithHint("kubectl volsync-kopia doctor says which rights and quotas a run needs")
	}
	return f
}

// fill fills the template's holes from the objects of earlier steps. The newest
// state that a watch has seen counts: a snapshot's size is not in the answer to
// its creation.
func (t *Target) fill(template plan.Template) (*unstructured.Unstructured, error) {
	return template.Fill(t.lookup)
}

func (t *Target) lookup(r plan.Ref) (string, error) {
	made := t.object(r.FromStep)
	if made == nil {
		return "", fmt.Errorf("step %d has made nothing", r.FromStep)
	}
	if newer, _ := t.view.get(made.GetKind(), made.GetName()); newer != nil {
		made = newer
	}
	text, found, err := unstructured.NestedString(made.Object, strings.Split(r.Field, ".")...)
	if err != nil {
		return "", err
	}
	if !found && r.AtLeast == "" {
		return "", fmt.Errorf("%s %s has no %s", made.GetKind(), made.GetName(), r.Field)
	}
	return text, nil
}

// adopt makes the Job the owner of the Lease, so that they go together.
func (t *Target) adopt(ctx context.Context, step plan.Step) error {
	owner, err := t.fill(step.Owner)
	if err != nil {
		return err
	}
	ref := metav1.OwnerReference{APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind()}
	ref.Name, _, _ = unstructured.NestedString(owner.Object, "name")
	uid, _, _ := unstructured.NestedString(owner.Object, "uid")
	ref.UID = types.UID(uid)
	return t.lease.adopt(ctx, ref)
}

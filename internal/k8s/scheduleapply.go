package k8s

import (
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// Change is what applying an object has done to it.
type Change string

// The changes, in kubectl's words.
const (
	Created    Change = "created"
	Configured Change = "configured"
	Unchanged  Change = "unchanged"
)

// Applied is an object that was applied.
type Applied struct {
	Object *unstructured.Unstructured
	Change Change
}

// adminHint is for who may not make the objects.
const adminHint = "without --apply the same command prints the objects, for an administrator to apply"

// ApplySchedule applies the objects of a schedule in their order, server-side. It is
// refused, and nothing is changed, when a right is missing, when an object of such a
// name is not this schedule's, when the API server would refuse one of them, or when a
// field is another manager's and force does not take it. What was applied is returned
// also when a later object fails.
func (c *Cluster) ApplySchedule(ctx context.Context, objects []plan.Template, force bool) ([]Applied, error) {
	wanted, err := c.tryApply(ctx, objects, force)
	if err != nil {
		return nil, err
	}
	var done []Applied
	for i := range wanted {
		w := &wanted[i]
		made, err := c.applyObject(ctx, w.object, metav1.ApplyOptions{FieldManager: plan.ManagedBy, Force: force})
		if err != nil {
			return done, halfway(w.refused(err), done, wanted[i:])
		}
		done = append(done, Applied{made, w.change(made)})
	}
	return done, nil
}

// wantedObject is an object of a schedule before it is applied.
type wantedObject struct {
	object *unstructured.Unstructured
	// live is the object as the cluster has it; nil: it has none.
	live *unstructured.Unstructured
	// would is what a dry run has made of it.
	would *unstructured.Unstructured
}

// tryApply reads the objects and applies them in a dry run, which tells of all that the
// API server would refuse.
func (c *Cluster) tryApply(ctx context.Context, objects []plan.Template, force bool) ([]wantedObject, error) {
	wanted := make([]wantedObject, len(objects))
	asked := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		asked[i] = &unstructured.Unstructured{Object: o}
		wanted[i].object = asked[i].DeepCopy()
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	if err := c.mayApply(ctx, asked[0].GetNamespace(), asked); err != nil {
		return nil, err
	}
	var foreign []error
	for i := range wanted {
		foreign = append(foreign, c.readLive(ctx, &wanted[i]))
	}
	if err := errors.Join(foreign...); err != nil {
		return nil, err
	}
	var refused []error
	for i := range wanted {
		err := c.dryApply(ctx, &wanted[i], wanted, force)
		refused = append(refused, err)
		if apierrors.IsNotFound(err) {
			break // there is no such namespace, which is all that can be said
		}
	}
	return wanted, errors.Join(refused...)
}

// readLive reads an object, and refuses one of its name that is not this schedule's.
// One that is must still be the same when it is applied.
func (c *Cluster) readLive(ctx context.Context, w *wantedObject) error {
	client, err := c.objects(w.object.GetKind(), w.object.GetNamespace())
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		w.live, err = client.Get(ctx, w.object.GetName(), metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		w.live = nil
		return nil
	case err != nil:
		return cannot(err, "read "+named(w.object))
	case !sameSchedule(w.live, w.object):
		return fault.New(fault.Refused, "an object of this name exists and is not of this schedule").At(named(w.object)).
			WithHint("see whose it is: kubectl get " + strings.ToLower(w.object.GetKind()) + " " + w.object.GetName() + " -n " +
				w.object.GetNamespace() + " -o yaml; then rename or delete it")
	}
	w.object.SetUID(w.live.GetUID())
	return nil
}

// sameSchedule reports whether the live object was made for the same object's schedule.
func sameSchedule(live, wanted *unstructured.Unstructured) bool {
	return !slices.ContainsFunc([]string{plan.LabelManagedBy, plan.LabelRole, plan.LabelSource}, func(label string) bool {
		return live.GetLabels()[label] != wanted.GetLabels()[label]
	})
}

// dryApply sees what becomes of an object when it is applied.
func (c *Cluster) dryApply(ctx context.Context, w *wantedObject, all []wantedObject, force bool) error {
	would, err := c.applyObject(ctx, w.object, metav1.ApplyOptions{
		FieldManager: plan.ManagedBy, Force: force, DryRun: []string{metav1.DryRunAll},
	})
	if apierrors.IsNotFound(err) && w.object.GetKind() == "RoleBinding" && lacksRole(all) {
		// What the binding would grant is looked up in the Role, which is not there yet.
		w.would = w.object
		return nil
	}
	w.would = would
	return w.refused(err)
}

// lacksRole reports whether the Role is still to be made.
func lacksRole(all []wantedObject) bool {
	return slices.ContainsFunc(all, func(w wantedObject) bool { return w.object.GetKind() == "Role" && w.live == nil })
}

// applyObject applies one object. It may be sent twice: what was applied stays as it is.
func (c *Cluster) applyObject(ctx context.Context, o *unstructured.Unstructured, options metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	client, err := c.objects(o.GetKind(), o.GetNamespace())
	if err != nil {
		return nil, err
	}
	var made *unstructured.Unstructured
	err = patiently(ctx, func(ctx context.Context) error {
		made, err = client.Apply(ctx, o.GetName(), o, options)
		return err
	})
	return made, err
}

// change says what applying has done.
func (w *wantedObject) change(made *unstructured.Unstructured) Change {
	switch {
	case w.live == nil:
		return Created
	case w.live.GetResourceVersion() == made.GetResourceVersion():
		return Unchanged
	}
	return Configured
}

// refused is the fault of an object that the API server does not apply.
func (w *wantedObject) refused(err error) error {
	if err == nil {
		return nil
	}
	if taken := conflictingFields(err); len(taken) > 0 {
		return fault.New(fault.Refused, "others have set %s", strings.Join(taken, ", ")).At(named(w.object)).
			WithHint("--force-conflicts sets them as the manifest says; kubectl volsync-kopia schedule diff shows what that changes")
	}
	kind := fault.Failed
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		kind = fault.Refused
	}
	f := fault.New(kind, "apply it: %w", err).At(named(w.object))
	switch {
	case isEscalation(err):
		return f.WithWhy("nobody may make a Role with rights that they do not have themselves, nor bind one").WithHint(adminHint)
	case apierrors.IsForbidden(err):
		return f.WithHint(adminHint)
	case apierrors.IsNotFound(err):
		return f.WithHint("make the namespace first: kubectl create namespace " + w.object.GetNamespace())
	}
	return f
}

// isEscalation recognises the refusal of a Role or a binding that would grant what the
// caller does not have. It has no reason of its own but its words.
func isEscalation(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held")
}

// conflictingFields are the fields that are another manager's, each with who that is,
// as the API server says.
func conflictingFields(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var fields []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, cause.Field+" ("+cause.Message+")")
		}
	}
	return fields
}

// halfway says what was applied before one of the objects failed. With nothing applied
// nothing was changed.
func halfway(err error, done []Applied, rest []wantedObject) error {
	if len(done) == 0 {
		return err
	}
	var applied, missing []string
	for i := range done {
		applied = append(applied, named(done[i].Object))
	}
	for i := range rest {
		missing = append(missing, named(rest[i].object))
	}
	f := fault.New(fault.Failed, "%w; applied: %s; not applied: %s", err, strings.Join(applied, ", "), strings.Join(missing, ", "))
	var cause *fault.Error
	if errors.As(err, &cause) {
		f.Why = cause.Why
	}
	return f.WithHint("the same command again applies the rest; kubectl volsync-kopia schedule delete removes what there is")
}

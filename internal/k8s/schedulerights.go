package k8s

import (
	"context"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// scheduleHint says who can help where rights are missing.
const scheduleHint = "kubectl volsync-kopia doctor --print-role --schedules prints a Role with the rights, for an administrator to apply"

// cannotSchedule has a hint name the Role that has the rights of the verbs of schedule.
func cannotSchedule(f *fault.Error) *fault.Error {
	return f.WithHint(strings.ReplaceAll(f.Hint, "--print-role", "--print-role --schedules"))
}

// mayApply is refused with all rights that the caller lacks to apply the objects.
// Applying one asks for the right to make it too, even where it exists.
func (c *Cluster) mayApply(ctx context.Context, namespace string, objects []*unstructured.Unstructured) error {
	asked := make([]intent, len(objects))
	for i, o := range objects {
		asked[i] = intent{o, plan.ApplyVerbs()}
	}
	return c.mayDo(ctx, namespace, asked, adminHint+"; "+scheduleHint)
}

// intent is what is to be done with an object.
type intent struct {
	object *unstructured.Unstructured
	verbs  []string
}

// mayDo is refused with all rights that the caller lacks.
func (c *Cluster) mayDo(ctx context.Context, namespace string, asked []intent, hint string) error {
	rules, err := c.rulesIn(ctx, namespace)
	if err != nil {
		return err
	}
	var missing []string
	for _, a := range asked {
		lacks := plan.Rule{}
		for _, verb := range a.verbs {
			right, err := c.rightTo(ctx, verb, a.object, rules)
			if err != nil {
				return err
			}
			lacks.Group, lacks.Resource = right.Group, right.Resource
			if !right.Allowed {
				lacks.Verbs = append(lacks.Verbs, verb)
			}
		}
		if text := lacks.String(); len(lacks.Verbs) > 0 && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Refused, "no right in namespace %s to %s", namespace, strings.Join(missing, "; ")).WithHint(hint)
}

// rightTo is the right to do something with the object; rules are what is known of the
// caller's.
func (c *Cluster) rightTo(ctx context.Context, verb string, o *unstructured.Unstructured, rules authorizationv1.SubjectRulesReviewStatus) (plan.Right, error) {
	gvr, err := resourceOf(o.GetKind())
	if err != nil {
		return plan.Right{}, err
	}
	right := plan.Right{Verb: verb, Group: gvr.Group, Resource: gvr.Resource}
	right.Allowed, err = c.allows(ctx, rules, right, authorizationv1.ResourceAttributes{Namespace: o.GetNamespace(), Name: o.GetName()})
	return right, err
}

package k8s

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// readRights asks what the caller may do: once for everything in the namespace,
// and one by one only for what that answer does not show.
func (o *observation) readRights(ctx context.Context) error {
	review, err := o.cluster.rulesIn(ctx, o.namespace)
	if err != nil {
		return err
	}
	for _, need := range slices.Concat(o.questions.Rights, o.questions.HookRights) {
		if need.ClusterScoped {
			continue // whoever reads such a thing finds out by reading
		}
		for _, verb := range need.Verbs {
			right := plan.Right{Verb: verb, Group: need.Group, Resource: need.Resource}
			if right.Allowed, err = o.cluster.allows(ctx, review, right, o.asRequested(right)); err != nil {
				return err
			}
			o.facts.Rights = append(o.facts.Rights, right)
		}
	}
	return nil
}

// rulesIn asks what the caller may do in the namespace.
func (c *Cluster) rulesIn(ctx context.Context, namespace string) (authorizationv1.SubjectRulesReviewStatus, error) {
	review, err := c.typed.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return authorizationv1.SubjectRulesReviewStatus{}, fmt.Errorf("ask for the rights in namespace %s: %w", namespace, err)
	}
	return review.Status, nil
}

// readRetainRights asks for the cluster-scoped rights to undo what a class with
// the policy Retain leaves behind, if there is such a class. The rules of a
// namespace do not tell: one given by a RoleBinding holds for nothing outside.
func (o *observation) readRetainRights(ctx context.Context) error {
	var rights []plan.Right
	if slices.ContainsFunc(o.facts.StorageClasses, func(c plan.StorageClass) bool { return c.ReclaimPolicy == corev1.PersistentVolumeReclaimRetain }) {
		rights = append(rights, plan.Right{Verb: "patch", Resource: "persistentvolumes"})
	}
	if slices.ContainsFunc(o.facts.SnapshotClasses, func(c plan.SnapshotClass) bool { return c.DeletionPolicy == "Retain" }) {
		rights = append(rights, plan.Right{Verb: "patch", Group: plan.GroupSnapshot, Resource: "volumesnapshotcontents"})
	}
	for _, right := range rights {
		allowed, err := o.cluster.askRight(ctx, right, authorizationv1.ResourceAttributes{})
		if err != nil {
			return err
		}
		right.Allowed = allowed
		o.facts.Rights = append(o.facts.Rights, right)
	}
	return nil
}

// asRequested is what the run's own request will name besides the right: it
// reads and writes one object of its kind only, so that a rule for that name is
// enough. What else it uses is made during the run, under names nobody can foresee.
func (o *observation) asRequested(r plan.Right) authorizationv1.ResourceAttributes {
	a := authorizationv1.ResourceAttributes{Namespace: o.namespace}
	if r.Group == plan.GroupVolSync && r.Verb != "list" {
		a.Name = o.questions.Object.Name
	}
	return a
}

// allows reports whether the caller has the right, by the rules that are known of him, and
// asks for it by itself only where these leave it open: a rule may be for the name that
// is given, and they need not be all.
func (c *Cluster) allows(ctx context.Context, rules authorizationv1.SubjectRulesReviewStatus, r plan.Right, given authorizationv1.ResourceAttributes) (bool, error) {
	every, some := rulesAllow(rules.ResourceRules, r)
	if every || !some && !rules.Incomplete {
		return every, nil
	}
	return c.askRight(ctx, r, given)
}

// askRight asks for one right, in the namespace and for the name that are given.
func (c *Cluster) askRight(ctx context.Context, r plan.Right, given authorizationv1.ResourceAttributes) (bool, error) {
	given.Verb, given.Group = r.Verb, r.Group
	given.Resource, given.Subresource, _ = strings.Cut(r.Resource, "/")
	review, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &given},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the right to %s %s: %w", r.Verb, r.Resource, err)
	}
	return review.Status.Allowed, nil
}

// rulesAllow reports whether any rule gives the right for every name, or else
// whether one gives it for some.
func rulesAllow(rules []authorizationv1.ResourceRule, r plan.Right) (every, some bool) {
	has := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	_, sub, isSub := strings.Cut(r.Resource, "/")
	for _, rule := range rules {
		named := has(rule.Resources, r.Resource) || isSub && slices.Contains(rule.Resources, "*/"+sub)
		if named && has(rule.Verbs, r.Verb) && has(rule.APIGroups, r.Group) {
			every = every || len(rule.ResourceNames) == 0
			some = true
		}
	}
	return every, some
}

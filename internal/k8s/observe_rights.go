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
	review, err := o.cluster.typed.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: o.namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask for the rights in namespace %s: %w", o.namespace, err)
	}
	for _, need := range slices.Concat(o.questions.Rights, o.questions.HookRights) {
		if need.ClusterScoped {
			continue // whoever reads such a thing finds out by reading
		}
		for _, verb := range need.Verbs {
			right := plan.Right{Verb: verb, Group: need.Group, Resource: need.Resource}
			right.Allowed = rulesAllow(review.Status.ResourceRules, right)
			if !right.Allowed && review.Status.Incomplete {
				if right.Allowed, err = o.askRight(ctx, right, false); err != nil {
					return err
				}
			}
			o.facts.Rights = append(o.facts.Rights, right)
		}
	}
	return nil
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
		allowed, err := o.askRight(ctx, right, true)
		if err != nil {
			return err
		}
		right.Allowed = allowed
		o.facts.Rights = append(o.facts.Rights, right)
	}
	return nil
}

// askRight asks for one right.
func (o *observation) askRight(ctx context.Context, r plan.Right, clusterScoped bool) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	attributes := &authorizationv1.ResourceAttributes{
		Namespace: o.namespace, Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: sub,
	}
	if clusterScoped {
		attributes.Namespace = ""
	}
	review, err := o.cluster.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the right to %s %s: %w", r.Verb, r.Resource, err)
	}
	return review.Status.Allowed, nil
}

// rulesAllow reports whether any rule gives the right for every name.
func rulesAllow(rules []authorizationv1.ResourceRule, r plan.Right) bool {
	has := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	_, sub, isSub := strings.Cut(r.Resource, "/")
	return slices.ContainsFunc(rules, func(rule authorizationv1.ResourceRule) bool {
		named := has(rule.Resources, r.Resource) || isSub && slices.Contains(rule.Resources, "*/"+sub)
		return len(rule.ResourceNames) == 0 && named && has(rule.Verbs, r.Verb) && has(rule.APIGroups, r.Group)
	})
}

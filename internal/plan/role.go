package plan

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// RoleName is the name of the Role and the ClusterRole that doctor prints.
const RoleName = "volsync-kopia"

// Role returns the Role that is enough for every command in the namespace, and
// the optional ClusterRole by which facts that would be unknown become known.
// Neither can read a Secret, and the Role has no cluster-scoped rule.
func Role(namespace string, rights []Rule) (*rbacv1.Role, *rbacv1.ClusterRole) {
	role := &rbacv1.Role{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "Role")}
	role.Name, role.Namespace, role.Labels = RoleName, namespace, managed()
	cluster := &rbacv1.ClusterRole{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "ClusterRole")}
	cluster.Name, cluster.Labels = RoleName, managed()
	for _, r := range append(slices.Clone(rights), attendance()...) {
		rule := rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Resource}, Verbs: r.Verbs}
		if r.ClusterScoped {
			cluster.Rules = merge(cluster.Rules, rule)
		} else {
			role.Rules = merge(role.Rules, rule)
		}
	}
	return role, cluster
}

// attendance are the rights of the commands that look after runs: status, runs
// and cleanup.
func attendance() []Rule {
	return []Rule{
		{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"list"}},
		{Resource: "configmaps", Verbs: []string{"list"}},
		{Resource: "resourcequotas", Verbs: []string{"list"}},
		{Group: GroupVolSync, Resource: "replicationsources", Verbs: []string{"list"}},
	}
}

// merge adds a rule's verbs to the rule for the same resource, if there is one.
func merge(rules []rbacv1.PolicyRule, more rbacv1.PolicyRule) []rbacv1.PolicyRule {
	for i := range rules {
		if slices.Equal(rules[i].APIGroups, more.APIGroups) && slices.Equal(rules[i].Resources, more.Resources) {
			rules[i].Verbs = append(rules[i].Verbs, more.Verbs...)
			slices.Sort(rules[i].Verbs)
			rules[i].Verbs = slices.Compact(rules[i].Verbs)
			return rules
		}
	}
	more.Verbs = slices.Sorted(slices.Values(more.Verbs))
	return append(rules, more)
}

func managed() map[string]string { return map[string]string{LabelManagedBy: ManagedBy} }

// String is the right as people read it, as "create,get jobs.batch".
func (r Rule) String() string { return strings.Join(r.Verbs, ",") + " " + qualified(r) }

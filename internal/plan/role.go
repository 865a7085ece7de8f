package plan

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// The names of what doctor prints.
const (
	// RoleName is that of the Role, and of the optional ClusterRole that only reads.
	RoleName = "volsync-kopia"
	// RetainRoleName is that of the optional ClusterRole for classes with the policy
	// Retain. It is one of its own because it changes what belongs to nobody's
	// namespace.
	RetainRoleName = RoleName + "-retain"
)

// Roles are the rights of this tool, as an administrator grants them. None can
// read a Secret.
type Roles struct {
	// Namespaced is one Role a namespace, enough for every command there; it has no
	// cluster-scoped rule.
	Namespaced []*rbacv1.Role
	// Facts makes facts known that are unknown without it. Retain lets a run remove
	// what a class with the policy Retain would keep. Both are optional.
	Facts, Retain *rbacv1.ClusterRole
}

// NewRoles returns the roles without any rule.
func NewRoles() *Roles {
	return &Roles{Facts: clusterRole(RoleName), Retain: clusterRole(RetainRoleName)}
}

// Add adds rights in a namespace, and those of the commands that look after runs.
func (r *Roles) Add(namespace string, rights []Rule) {
	i := slices.IndexFunc(r.Namespaced, func(known *rbacv1.Role) bool { return known.Namespace == namespace })
	if i < 0 {
		role := &rbacv1.Role{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "Role")}
		role.Name, role.Namespace, role.Labels = RoleName, namespace, managed()
		i, r.Namespaced = len(r.Namespaced), append(r.Namespaced, role)
	}
	for _, right := range append(slices.Clone(rights), attendance()...) {
		to := &r.Namespaced[i].Rules
		switch {
		case right.ClusterScoped && right.Optional:
			to = &r.Facts.Rules
		case right.ClusterScoped:
			to = &r.Retain.Rules
		}
		*to = merge(*to, rbacv1.PolicyRule{APIGroups: []string{right.Group}, Resources: []string{right.Resource}, Verbs: right.Verbs})
	}
}

func clusterRole(name string) *rbacv1.ClusterRole {
	role := &rbacv1.ClusterRole{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "ClusterRole")}
	role.Name, role.Labels = name, managed()
	return role
}

// Bind returns what gives the Role to somebody. A ServiceAccount without a
// namespace is one of the Role's.
func Bind(role *rbacv1.Role, to rbacv1.Subject) *rbacv1.RoleBinding {
	name := to.Name
	if to.Kind == rbacv1.ServiceAccountKind && to.Namespace == "" {
		to.Namespace = role.Namespace
	}
	if to.Kind != rbacv1.ServiceAccountKind || to.Namespace != role.Namespace {
		parts := []string{strings.ToLower(to.Kind), to.Namespace, to.Name}
		name = strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "-")
	}
	binding := &rbacv1.RoleBinding{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "RoleBinding")}
	// One a subject, so that a second one does not take the first one's rights away.
	binding.Name, binding.Namespace, binding.Labels = RoleName+"-"+strings.NewReplacer("/", "-", "%", "-").Replace(name), role.Namespace, managed()
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}
	binding.Subjects = []rbacv1.Subject{to}
	return binding
}

// attendance are the rights of the commands that look after runs: status, runs
// and cleanup.
func attendance() []Rule {
	return []Rule{
		{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"list"}},
		{Resource: "configmaps", Verbs: []string{"list"}},
		{Resource: "resourcequotas", Verbs: []string{"list"}},
		{Group: GroupVolSync, Resource: "replicationsources", Verbs: []string{"list"}},
		{Group: GroupVolSync, Resource: "kopiamaintenances", Verbs: []string{"list"}},
		{Group: "batch", Resource: "cronjobs", Verbs: []string{"list"}},
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

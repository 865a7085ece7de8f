package plan

import "slices"

// ApplyVerbs are the verbs that server-side apply of an object takes, with the look at
// it that comes first.
func ApplyVerbs() []string { return []string{"get", "create", "patch"} }

// ScheduleNeeds are the rights of all verbs of schedule, apply and delete among them, in
// one namespace. Making a Role takes the rights that it holds besides, which are those
// of a backup.
func ScheduleNeeds() []Rule {
	kept := slices.Concat(ApplyVerbs(), []string{"list", "delete"})
	return []Rule{
		{Resource: "serviceaccounts", Verbs: kept},
		{Resource: "configmaps", Verbs: kept},
		{Group: "rbac.authorization.k8s.io", Resource: "roles", Verbs: kept},
		{Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Verbs: kept},
		{Group: "batch", Resource: "cronjobs", Verbs: kept},
		{Group: "batch", Resource: "jobs", Verbs: []string{"create", "delete", "get", "list"}},
	}
}

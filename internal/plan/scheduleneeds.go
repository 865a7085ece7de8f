package plan

import "slices"

// ApplyVerbs are the verbs that server-side apply of an object takes, with the look at
// it that comes first.
func ApplyVerbs() []string { return []string{"get", "create", "patch"} }

// burialNeeds are the rights to remove what any dead run of the source may have left: one
// before the manifest was changed may have made copies of another kind.
//
// A hook is not among them. The right to run commands in pods is kept by no schedule whose
// manifest has none; what a dead run has left frozen cleanup ends, as somebody who has it.
func burialNeeds() []Rule {
	return []Rule{
		{Resource: "persistentvolumeclaims", Verbs: []string{"delete", "get", "list"}},
		{Resource: "pods", Verbs: []string{"delete", "get", "list"}},
		{Group: GroupSnapshot, Resource: "volumesnapshots", Verbs: []string{"delete", "get", "list"}},
	}
}

// ScheduleNeeds are the rights of all verbs of schedule, apply and delete among them, in
// one namespace. Making a Role takes the rights that it holds besides: those of a
// backup, to end a dead run, and to look at the namespace.
func ScheduleNeeds() []Rule {
	kept := slices.Concat(ApplyVerbs(), []string{"list", "delete"})
	return append([]Rule{
		{Resource: "serviceaccounts", Verbs: kept},
		{Resource: "configmaps", Verbs: kept},
		{Group: "rbac.authorization.k8s.io", Resource: "roles", Verbs: kept},
		{Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Verbs: kept},
		{Group: "batch", Resource: "cronjobs", Verbs: kept},
		{Group: "batch", Resource: "jobs", Verbs: []string{"create", "delete", "get", "list"}},
		{Resource: "namespaces", Verbs: []string{"get"}},
	}, burialNeeds()...)
}

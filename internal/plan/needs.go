package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// The API groups outside Kubernetes itself.
const (
	GroupSnapshot = "snapshot.storage.k8s.io"
	GroupVolSync  = "volsync.backube"
)

// runNeeds are the rights that every run uses.
func (b *builder) runNeeds() []Rule {
	return []Rule{
		{Resource: "persistentvolumeclaims", Verbs: []string{"get"}},
		{Resource: "pods", Verbs: []string{"get", "list", "watch"}},
		{Resource: "pods/log", Verbs: []string{"get"}},
		{Resource: "events", Verbs: []string{"create", "list", "watch"}},
		{Resource: "configmaps", Verbs: []string{"create", "get", "patch"}},
		{Group: "batch", Resource: "jobs", Verbs: []string{"create", "delete", "get", "list", "patch", "watch"}},
		{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"create", "delete", "get", "update"}},
		// Whether an operator runs the object, or it is paused, stands in it.
		{Group: GroupVolSync, Resource: b.kind.resource, Verbs: []string{"get"}, Optional: b.in.Facts.Object == nil && !b.in.Facts.isUnknown(FactObject)},
	}
}

// statusNeeds are the rights to write the object's status, where it has one.
func (b *builder) statusNeeds() []Rule {
	if b.in.Facts.Object == nil {
		return nil
	}
	return []Rule{{Group: GroupVolSync, Resource: b.kind.resource + "/status", Verbs: []string{"patch"}}}
}

// needs are the rights that a backup uses: what is always read and written
// first, then what the copy decides, then what is only good to know.
func (b *builder) needs(c *Copy) []Rule {
	rules := b.runNeeds()
	if c.Method != spec.CopyDirect || b.cacheIsClaim() {
		rules[0].Verbs = []string{"create", "get"}
	}
	if c.Method != spec.CopyDirect {
		rules[0].Verbs = []string{"create", "delete", "get", "list", "watch"}
		rules[1].Verbs = []string{"delete", "get", "list", "watch"} // a claim stays while a pod names it
	}
	if b.usesTrigger(c) {
		rules[0].Verbs = append(rules[0].Verbs, "patch")
		slices.Sort(rules[0].Verbs)
	}
	if c.Method == spec.CopySnapshot {
		rules = append(rules, Rule{Group: GroupSnapshot, Resource: "volumesnapshots", Verbs: []string{"create", "delete", "get", "list", "watch"}})
	}
	rules = append(rules, b.statusNeeds()...)
	rules = append(rules, b.reclaimNeeds(c)...)
	rules = append(rules, HookNeeds(b.hooks())...)
	return append(rules, clusterFacts(c)...)
}

// readingNeeds are the reads outside the namespace. Without them the facts are
// unknown.
func readingNeeds() []Rule {
	return []Rule{
		reading("", "namespaces", "get"), reading("", "nodes", "get"), reading("", "persistentvolumes", "get"),
		reading("storage.k8s.io", "storageclasses", "list"), reading("storage.k8s.io", "volumeattachments", "list"),
	}
}

func reading(group, resource, verb string) Rule {
	return Rule{Group: group, Resource: resource, Verbs: []string{verb}, Optional: true, ClusterScoped: true}
}

// clusterFacts are readingNeeds with those of a copy. Without them it is not seen
// either that what stood behind a deleted claim or snapshot is gone.
func clusterFacts(c *Copy) []Rule {
	rules := append(readingNeeds(), reading(GroupSnapshot, "volumesnapshotclasses", "list"))
	if c.Method == spec.CopySnapshot {
		rules = append(rules, reading(GroupSnapshot, "volumesnapshotcontents", "get"))
	}
	return rules
}

// surelyNeeds are the rights of a run for which no way of copying has been found:
// those of the one that is asked for, or of the one that needs least.
func (b *builder) surelyNeeds() []Rule {
	method := b.kopia.CopyMethod
	if method == "" {
		method = spec.CopyDirect
	}
	return b.needs(&Copy{Method: method})
}

// reclaimNeeds are the rights to undo what Retain classes would leave.
func (b *builder) reclaimNeeds(c *Copy) []Rule {
	content, volume := retainNeeds()
	var rules []Rule
	if b.snapshotRetained(c) {
		rules = append(rules, content)
	}
	if b.volumeRetained(c) {
		rules = append(rules, volume)
	}
	return rules
}

// retainNeeds are the rights to have removed what a Retain class keeps of a
// snapshot, and of a claim.
func retainNeeds() (content, volume Rule) {
	return Rule{Group: GroupSnapshot, Resource: "volumesnapshotcontents", Verbs: []string{"patch"}, ClusterScoped: true},
		Rule{Resource: "persistentvolumes", Verbs: []string{"patch"}, ClusterScoped: true}
}

// snapshotRetained reports whether the snapshot's content would outlive it.
func (b *builder) snapshotRetained(c *Copy) bool {
	class := b.in.Facts.snapshotClass(c.SnapshotClass)
	return c.Method == spec.CopySnapshot && class != nil && class.DeletionPolicy == "Retain"
}

// volumeRetained reports whether the copy's volume would outlive its claim.
func (b *builder) volumeRetained(c *Copy) bool {
	class := b.in.Facts.storageClass(c.StorageClass)
	return c.Method != spec.CopyDirect && class != nil && class.ReclaimPolicy == corev1.PersistentVolumeReclaimRetain
}

// checkRetained refuses classes whose leftovers the caller may not remove.
func (b *builder) checkRetained(c *Copy) {
	who, fix := "you cannot", "bind the ClusterRole "+RetainRoleName+" of doctor --print-role to whoever runs this"
	if account := Name(NameCron, b.object, ""); b.in.Options.Scheduled {
		who = "ServiceAccount " + account + ", by its Role alone, cannot"
		fix = fmt.Sprintf("give it the ClusterRole %[1]s of doctor --print-role: kubectl create clusterrolebinding %[2]s --clusterrole=%[1]s --serviceaccount=%[3]s:%[2]s",
			RetainRoleName, account, b.object.Namespace)
	}
	refuse := func(retained bool, class, group, res, path string) {
		if retained && !b.in.Facts.allowed("patch", group, res) {
			b.find(problem.Error, codeRetained, path,
				fmt.Sprintf("%s keeps what is made from it (Retain), and %s patch %s to have it removed", class, who, res),
				"use a class that deletes, or "+fix)
		}
	}
	refuse(b.snapshotRetained(c), fmt.Sprintf("VolumeSnapshotClass %q", c.SnapshotClass),
		GroupSnapshot, "volumesnapshotcontents", "spec.kopia.volumeSnapshotClassName")
	refuse(b.volumeRetained(c), fmt.Sprintf("StorageClass %q", c.StorageClass),
		"", "persistentvolumes", "spec.kopia.storageClassName")
}

// checkRights reports every needed right that the access review denied, at
// once.
func (b *builder) checkRights(needs []Rule) {
	var missing []string
	for _, rule := range needs {
		if rule.Optional {
			continue
		}
		var verbs []string
		for _, verb := range rule.Verbs {
			if b.in.Facts.denied(verb, rule.Group, rule.Resource) {
				verbs = append(verbs, verb)
			}
		}
		if len(verbs) > 0 {
			missing = append(missing, strings.Join(verbs, ",")+" "+qualified(rule))
		}
	}
	if len(missing) == 0 {
		return
	}
	b.find(problem.Error, codeRights, "",
		fmt.Sprintf("missing rights in namespace %q: %s", b.object.Namespace, strings.Join(missing, "; ")),
		b.unlessScheduled("as an administrator: kubectl volsync-kopia doctor --print-role -f FILE"+b.hookFlags()+" | kubectl apply -f -"))
}

// unlessScheduled is a fix, or in a scheduled run what mends its rights and what it knows:
// they come with its schedule.
func (b *builder) unlessScheduled(fix string) string {
	if !b.in.Options.Scheduled {
		return fix
	}
	return fmt.Sprintf("make the schedule again: kubectl volsync-kopia schedule -f FILE -n %s --apply, with the flags that it was made with", b.object.Namespace)
}

// qualified is the resource with its group, as jobs.batch.
func qualified(r Rule) string {
	if r.Group == "" {
		return r.Resource
	}
	name, sub, ok := strings.Cut(r.Resource, "/")
	if ok {
		sub = "/" + sub
	}
	return name + "." + r.Group + sub
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// The files of a schedule's ConfigMap, and where its pod has them.
const (
	ScheduleManifest   = "manifest.yaml"
	ScheduleClassFacts = "class-facts.yaml"

	podSchedule = "/run/volsync-kopia/schedule"
)

// maxConfigMap is the API server's bound of a ConfigMap's content, in bytes.
const maxConfigMap = 1 << 20

// lastApplied is where kubectl apply keeps the manifest, in the manifest.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// scheduleObjects are the schedule's objects; needs are the rights of its runs.
func (b *builder) scheduleObjects(s Schedule, needs []Rule) []Template {
	objects := []any{b.scheduleAccount(), b.scheduleRole(needs), b.scheduleBinding(), b.scheduleConfig(), b.cronJob(s)}
	templates := make([]Template, len(objects))
	for i, object := range objects {
		templates[i] = b.template(object)
	}
	return templates
}

// scheduleMeta is the metadata of each of a schedule's objects. They belong to nobody:
// their owner would be known by a uid, and what is printed may be kept in a repository
// and applied to another cluster.
func (b *builder) scheduleMeta() metav1.ObjectMeta {
	m := b.meta(Name(NameCron, b.object, ""), RoleSchedule)
	m.Labels = b.labels(RoleSchedule, "")
	return m
}

// scheduleAccount is who runs the CronJob's pods.
func (b *builder) scheduleAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta: typeMeta("v1", "ServiceAccount"), ObjectMeta: b.scheduleMeta(),
		AutomountServiceAccountToken: new(false), // the pod asks for it
	}
}

// scheduleRole holds what the runs use in their namespace, that itself among it. What they
// could use outside the class facts stand in for.
func (b *builder) scheduleRole(needs []Rule) *rbacv1.Role {
	role := &rbacv1.Role{TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "Role"), ObjectMeta: b.scheduleMeta()}
	if b.upkeep == nil { // a maintenance makes no copies
		needs = slices.Concat(needs, burialNeeds())
	}
	for _, right := range append(slices.Clone(needs), Rule{Resource: "resourcequotas", Verbs: []string{"list"}}) {
		if !right.ClusterScoped {
			role.Rules = merge(role.Rules, rbacv1.PolicyRule{APIGroups: []string{right.Group}, Resources: []string{right.Resource}, Verbs: right.Verbs})
		}
	}
	role.Rules = append(role.Rules, rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{b.object.Namespace}, Verbs: []string{"get"},
	})
	return role
}

func (b *builder) scheduleBinding() *rbacv1.RoleBinding {
	meta := b.scheduleMeta()
	return &rbacv1.RoleBinding{
		TypeMeta: typeMeta("rbac.authorization.k8s.io/v1", "RoleBinding"), ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: meta.Namespace, Name: meta.Name}},
	}
}

// scheduleConfig holds what the runs are made from: the source as it was given, and the
// class facts.
func (b *builder) scheduleConfig() *corev1.ConfigMap {
	manifest, err := yaml.Marshal(b.scheduledManifest())
	b.check(err)
	facts, err := b.classFacts().Encode()
	b.check(err)
	if size := len(manifest) + len(facts) + len(ScheduleManifest) + len(ScheduleClassFacts); size > maxConfigMap {
		b.find(problem.Error, codeScheduleTooLarge, "",
			fmt.Sprintf("the manifest takes %d and the class facts take %d bytes: together they do not fit into a ConfigMap, which holds 1 MiB", len(manifest), len(facts)),
			"move repositoryConfig into a policy ConfigMap, and what is longest in actions into a script")
	}
	return &corev1.ConfigMap{
		TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: b.scheduleMeta(),
		Data: map[string]string{ScheduleManifest: string(manifest), ScheduleClassFacts: string(facts)},
	}
}

// scheduledManifest is the object as a run reads it: of its metadata only what somebody
// has written, and the hooks.
func (b *builder) scheduledManifest() any {
	given := b.in.Document.Metadata()
	annotations := map[string]string{}
	maps.Copy(annotations, given.Annotations)
	for _, name := range []string{lastApplied, spec.AnnotationExecIn, spec.AnnotationExecBefore, spec.AnnotationExecAfter, spec.AnnotationExecTimeout} {
		delete(annotations, name)
	}
	maps.Copy(annotations, b.hookAnnotations()) // those of the command line, too
	meta := spec.Metadata{Name: b.object.Name, Namespace: b.object.Namespace, Labels: given.Labels, Annotations: annotations}
	if m := b.in.Document.Maintenance; m != nil {
		maintenance := *m
		maintenance.Metadata = meta
		return maintenance
	}
	source := *b.source
	source.Metadata = meta
	return source
}

// scheduleVolume mounts the ConfigMap as a directory, which follows its changes.
func (b *builder) scheduleVolume(m *mounts) {
	m.add("schedule", podSchedule, true, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: Name(NameCron, b.object, "")},
	}})
}

func scheduleFile(name string) string { return path.Join(podSchedule, name) }

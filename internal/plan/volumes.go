package plan

import (
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Sizes of the memory volumes.
const (
	workBytes = 64 << 20
	tmpBytes  = 256 << 20
)

// mounts collects the mover's volumes with their mounts.
type mounts struct {
	volumes []corev1.Volume
	mounts  []corev1.VolumeMount
}

func (m *mounts) add(name, at string, readOnly bool, source corev1.VolumeSource) {
	m.volumes = append(m.volumes, corev1.Volume{Name: name, VolumeSource: source})
	m.mounts = append(m.mounts, corev1.VolumeMount{Name: name, MountPath: at, ReadOnly: readOnly})
}

// The pod's volumes that are named elsewhere: the data, a repositoryPVC, and the
// beginning of the names of moverVolumes.
const (
	dataVolume        = "data"
	repositoryVolume  = "repository-pvc"
	moverVolumePrefix = "mover-"
)

// moverMounts are all volumes of the mover, in a fixed order.
func (b *builder) moverMounts(c *Copy, cache Cache, p policies) *mounts {
	m := &mounts{}
	m.add(dataVolume, podData, !b.writesData(), claimVolume(b.dataClaim(c), c.ReadOnly))
	b.addCommonMounts(m, cache, p)
	return m
}

// addCommonMounts adds what every mover needs, whatever it does.
func (b *builder) addCommonMounts(m *mounts, cache Cache, p policies) {
	m.add("repository", podSecret, true, corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: b.kopia.Repository, DefaultMode: b.secretMode()},
	})
	m.add("task", podTask, true, taskVolume())
	if p.named {
		m.add("policies", podPolicies, true, b.policyVolume())
	}
	if ca := b.customCA(); ca != nil {
		m.add("custom-ca", podCA, true, b.caVolume(ca))
	}
	m.add("cache", podCache, false, cacheVolume(cache))
	m.add("work", podWork, false, memory(workBytes))
	m.add("tmp", "/tmp", false, memory(tmpBytes))
	if name := deref(b.kopia.RepositoryPVC); name != "" {
		m.add(repositoryVolume, podRepository, false, claimVolume(name, false))
	}
	for i := range b.kopia.MoverVolumes {
		b.addMoverVolume(m, i)
	}
}

// dataClaim is the claim that the mover reads: the copy, or the source itself.
func (b *builder) dataClaim(c *Copy) string {
	if c.Method == spec.CopyDirect {
		return c.Claim
	}
	return b.name()
}

// writesData reports whether the volume is mounted for writing: only for the
// manifest's own actions.
func (b *builder) writesData() bool { return b.hasActions() }

// addMoverVolume adds one of moverVolumes.
func (b *builder) addMoverVolume(m *mounts, i int) {
	v := &b.kopia.MoverVolumes[i]
	name, at := fmt.Sprintf("%s%d", moverVolumePrefix, i), path.Join(podMounts, v.MountPath)
	switch source := v.VolumeSource; {
	case source.Secret != nil:
		secret := source.Secret.DeepCopy()
		if secret.DefaultMode == nil {
			secret.DefaultMode = b.secretMode()
		}
		m.add(name, at, true, corev1.VolumeSource{Secret: secret})
	case source.NFS != nil:
		m.add(name, at, source.NFS.ReadOnly, corev1.VolumeSource{NFS: source.NFS})
	case source.PersistentVolumeClaim != nil:
		m.add(name, at, source.PersistentVolumeClaim.ReadOnly,
			corev1.VolumeSource{PersistentVolumeClaim: source.PersistentVolumeClaim})
	}
}

// secretMode lets a mover that is not root read a Secret: the files belong to
// root, and only with an fsGroup does the mover share their group.
func (b *builder) secretMode() *int32 {
	if sc := b.kopia.MoverSecurityContext; sc != nil && sc.FSGroup != nil {
		return new(int32(0o440))
	}
	return new(int32(0o444))
}

// policyVolume is the policy ConfigMap or Secret, whole.
func (b *builder) policyVolume() corev1.VolumeSource {
	config := b.kopia.PolicyConfig
	if config.SecretName != "" {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: config.SecretName, DefaultMode: b.secretMode()}}
	}
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: config.ConfigMapName},
		DefaultMode:          new(int32(0o444)),
	}}
}

// customCA returns the manifest's CA, if it names an object.
func (b *builder) customCA() *spec.CustomCA {
	ca := b.kopia.CustomCA
	if ca == nil || ca.SecretName == "" && ca.ConfigMapName == "" {
		return nil
	}
	return ca
}

// caKey is the key that holds the certificate.
func caKey(ca *spec.CustomCA) string {
	if ca.Key == "" {
		return caFile
	}
	return ca.Key
}

// caVolume holds the certificate under one fixed name.
func (b *builder) caVolume(ca *spec.CustomCA) corev1.VolumeSource {
	items := []corev1.KeyToPath{{Key: caKey(ca), Path: caFile}}
	if ca.SecretName != "" {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: ca.SecretName, Items: items, DefaultMode: b.secretMode(),
		}}
	}
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: ca.ConfigMapName}, Items: items, DefaultMode: new(int32(0o444)),
	}}
}

// taskVolume projects the Task from the pod's own annotation.
//
// An annotation and not a ConfigMap: it needs no further object to create,
// own, wait for and delete, and the Job's template cannot change once the Job
// has started, so the mover reads exactly what the plan showed.
func taskVolume() corev1.VolumeSource {
	return corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		DefaultMode: new(int32(0o444)),
		Items: []corev1.DownwardAPIVolumeFile{{
			Path:     taskFile,
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + AnnotationTask + "']"},
		}},
	}}
}

// cacheVolume is the kept claim or an emptyDir.
func cacheVolume(c Cache) corev1.VolumeSource {
	if c.Claim != "" {
		return claimVolume(c.Claim, false)
	}
	limit := resource.MustParse(c.SizeLimit)
	return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}
}

// claimVolume mounts a claim.
func claimVolume(name string, readOnly bool) corev1.VolumeSource {
	return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name, ReadOnly: readOnly}}
}

// memory is an emptyDir that is never written to a disk.
func memory(bytes int64) corev1.VolumeSource {
	return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
		Medium: corev1.StorageMediumMemory, SizeLimit: resource.NewQuantity(bytes, resource.BinarySI),
	}}
}

// typeMeta names a kind.
func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

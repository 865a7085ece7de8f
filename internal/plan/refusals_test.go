package plan_test

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// refusal is a change that makes the plain Snapshot case impossible, with the
// one code that must say so.
type refusal struct {
	code   string
	change change
}

func claimRefusals() map[string]refusal {
	return map[string]refusal{
		"the claim is gone": {"VK501", func(in *plan.Input, _ *spec.KopiaSource) { in.Facts.Claims = nil }},
		"the claim is Pending, so nothing can be copied": {"VK501", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Claims[0].Phase = corev1.ClaimPending
		}},
		"the volume belongs to another claim now": {"VK501", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Claims[0].Volume.ClaimUID = "another"
		}},
		"the volume is not a CSI volume": {"VK504", func(in *plan.Input, k *spec.KopiaSource) {
			in.Facts.Claims[0].Volume.Driver = ""
			k.CopyMethod = spec.CopyClone
		}},
		"the named snapshot class is of another driver": {"VK504", func(in *plan.Input, k *spec.KopiaSource) {
			in.Facts.SnapshotClasses = append(in.Facts.SnapshotClasses, plan.SnapshotClass{Name: "ebs", Driver: "ebs.csi.aws.com"})
			k.VolumeSnapshotClassName = new("ebs")
		}},
		"the named snapshot class does not exist": {"VK504", func(_ *plan.Input, k *spec.KopiaSource) {
			k.VolumeSnapshotClassName = new("typo")
		}},
		"two default snapshot classes": {"VK505", func(in *plan.Input, _ *spec.KopiaSource) {
			twin := in.Facts.SnapshotClasses[0]
			twin.Name = "twin"
			in.Facts.SnapshotClasses = append(in.Facts.SnapshotClasses, twin)
		}},
		"Snapshot is asked for and not served": {"VK506", func(in *plan.Input, _ *spec.KopiaSource) { in.Facts.SnapshotAPI = false }},
		"the StorageClass does not exist":      {"VK507", func(_ *plan.Input, k *spec.KopiaSource) { k.StorageClassName = new("typo") }},
		"the StorageClass is of another driver": {"VK507", func(_ *plan.Input, k *spec.KopiaSource) {
			k.StorageClassName = new("local-path")
		}},
		"the cache's StorageClass does not exist": {"VK507", func(_ *plan.Input, k *spec.KopiaSource) {
			k.CacheStorageClassName = new("typo")
		}},
		"a statically made claim has no class to copy with": {"VK507", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Claims[0].StorageClass = new("")
		}},
	}
}

func placementRefusals() map[string]refusal {
	return map[string]refusal{
		"two local volumes on two nodes": {"VK508", func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.RepositoryPVC = spec.CopyDirect, new("backups")
			in.Facts.Claims[0].Consumers = nil
			in.Facts.Claims[0].Volume.NodeAffinity = topologyOf("zone", "a", "b")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Volume: &plan.Volume{NodeAffinity: topologyOf("zone", "c")}})
		}},
		"two pods on two nodes hold the volumes": {"VK508", func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.RepositoryPVC = spec.CopyDirect, new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Consumers: []plan.Consumer{{Pod: "b", Node: "node-9"}}})
		}},
		"the copy is read where its source is, and a pod holds the repository elsewhere": {"VK508", func(in *plan.Input, k *spec.KopiaSource) {
			*in = waitsForItsConsumer(*in)
			k.RepositoryPVC = new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Consumers: []plan.Consumer{
				{Pod: "b", Node: "node-9", NodeLabels: map[string]string{"zone": "b"}},
			}})
		}},
		"the copy is read where its source is, and the repository is local elsewhere": {"VK508", func(in *plan.Input, k *spec.KopiaSource) {
			*in = waitsForItsConsumer(*in)
			k.RepositoryPVC = new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Volume: &plan.Volume{NodeAffinity: topologyOf("zone", "b")}})
		}},
		"a pod holds one volume, and the other is attached elsewhere": {"VK508", func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.RepositoryPVC = spec.CopyDirect, new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Volume: &plan.Volume{AttachedTo: "node-9"}})
		}},
		"a clone smaller than its source": {"VK509", func(_ *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.Capacity = spec.CopyClone, quantity("1Gi")
		}},
		"actions on a read-only copy": {"VK512", func(_ *plan.Input, k *spec.KopiaSource) {
			k.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
			k.Actions = &spec.Actions{BeforeSnapshot: "sync"}
		}},
		"actions on the live volume": {"VK513", func(_ *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.Actions = spec.CopyDirect, &spec.Actions{AfterSnapshot: "sync"}
		}},
	}
}

func runRefusals() map[string]refusal {
	return map[string]refusal{
		"an operator owns a Job, whatever is forced": {"VK515", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Object.Jobs, in.Options.Force = []string{"volsync-src-postgres"}, true
		}},
		"an operator was here within the hour": {"VK515", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Object.Managers = []plan.Manager{{Name: "manager", Time: metav1.NewTime(in.Env.Now.Add(-59 * time.Minute))}}
		}},
		"a class that keeps, without the right to clean up": {"VK519", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.SnapshotClasses[0].DeletionPolicy = "Retain"
		}},
		"no quota left for the copy": {"VK520", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Quotas = []plan.Quota{{
				Name: "q",
				Hard: corev1.ResourceList{corev1.ResourceRequestsStorage: *quantity("30Gi")},
				Used: corev1.ResourceList{corev1.ResourceRequestsStorage: *quantity("20Gi")},
			}}
		}},
		"a privileged mover in a restricted namespace": {"VK521", func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Namespace.Annotations = map[string]string{plan.AnnotationPrivilegedMovers: "true"}
			in.Facts.Namespace.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
		}},
		"a policy ConfigMap that is not in the cluster": {"VK522", func(_ *plan.Input, k *spec.KopiaSource) {
			k.PolicyConfig = &spec.PolicyConfig{ConfigMapName: "policies"}
		}},
		"a policy file that is named and missing": {"VK522", func(in *plan.Input, k *spec.KopiaSource) {
			k.PolicyConfig = &spec.PolicyConfig{ConfigMapName: "policies", GlobalPolicyFilename: "mine.json"}
			in.Facts.ConfigMaps = []plan.ConfigMap{{Name: "policies", Data: map[string]string{"global-policy.json": "{}"}}}
		}},
		"a policy file that is named and missing, by digests": {"VK522", func(in *plan.Input, k *spec.KopiaSource) {
			k.PolicyConfig = &spec.PolicyConfig{ConfigMapName: "policies", RepositoryConfigFilename: "mine.json"}
			in.Facts.ConfigMaps = []plan.ConfigMap{{Name: "policies", SHA256: map[string]string{"repository.config": "00"}}}
		}},
		"a policy file that is named, in a ConfigMap without any": {"VK522", func(in *plan.Input, k *spec.KopiaSource) {
			k.PolicyConfig = &spec.PolicyConfig{ConfigMapName: "policies", GlobalPolicyFilename: "mine.json"}
			in.Facts.ConfigMaps = []plan.ConfigMap{{Name: "policies"}}
		}},
		"a task that no annotation can carry": {"VK525", func(_ *plan.Input, k *spec.KopiaSource) {
			k.Actions = &spec.Actions{BeforeSnapshot: string(make([]byte, 300<<10))}
		}},
	}
}

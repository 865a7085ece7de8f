package plan_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// change alters the plain Snapshot case.
type change func(in *plan.Input, k *spec.KopiaSource)

func topologyOf(key string, values ...string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}},
	}}}}
}

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}

// codesOf are the codes of the severity, in order of appearance.
func codesOf(list problem.List, severity problem.Severity) []string {
	var codes []string
	for _, p := range list {
		if p.Severity == severity {
			codes = append(codes, p.Code)
		}
	}
	return codes
}

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
		"a task that no annotation can carry": {"VK525", func(_ *plan.Input, k *spec.KopiaSource) {
			k.Actions = &spec.Actions{BeforeSnapshot: string(make([]byte, 300<<10))}
		}},
	}
}

func TestWhatCannotWorkIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	all := claimRefusals()
	maps.Copy(all, placementRefusals())
	maps.Copy(all, runRefusals())
	for what, row := range all {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "snapshot")
			row.change(&in, in.Document.Source.Spec.Kopia)
			p, findings := plan.BuildBackup(in)
			if codes := codesOf(findings, problem.Error); !slices.Equal(codes, []string{row.code}) {
				t.Errorf("errors %v, want %s alone: %v", codes, row.code, findings)
			}
			if len(p.Steps) > 0 {
				t.Errorf("a refused plan has %d steps", len(p.Steps))
			}
		})
	}
}

func TestWhatCanWorkIsNotRefused(t *testing.T) {
	t.Parallel()
	for what, alter := range map[string]change{
		"a ReadWriteOncePod claim that nobody uses, Direct": func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod = spec.CopyDirect
			in.Facts.Claims[0].AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
			in.Facts.Claims[0].Consumers = nil
		},
		"a ReadWriteOncePod claim in use, Snapshot": func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Claims[0].AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
		},
		"Snapshot with a capacity below the claim's: restoreSize decides": func(_ *plan.Input, k *spec.KopiaSource) {
			k.Capacity = quantity("1Gi")
		},
		"actions on the live volume, allowed by flag": func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.Actions = spec.CopyDirect, &spec.Actions{AfterSnapshot: "sync"}
			in.Options.ActionsOnLiveVolume = true
		},
		"actions on the live volume, allowed by annotation": func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.Actions = spec.CopyDirect, &spec.Actions{AfterSnapshot: "sync"}
			in.Document.Source.Metadata.Annotations = map[string]string{plan.AnnotationLiveActions: "true"}
		},
		"two local volumes that share a zone": func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.RepositoryPVC = spec.CopyDirect, new("backups")
			in.Facts.Claims[0].Volume.NodeAffinity = topologyOf("zone", "a", "b")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Volume: &plan.Volume{NodeAffinity: topologyOf("zone", "b")}})
		},
		"an operator that left more than an hour ago": func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Object.Managers = []plan.Manager{{Name: "manager", Time: metav1.NewTime(in.Env.Now.Add(-61 * time.Minute))}}
		},
		"this tool's own status": func(in *plan.Input, _ *spec.KopiaSource) {
			in.Facts.Object.Managers = []plan.Manager{{Name: plan.ManagedBy, Time: metav1.NewTime(in.Env.Now)}}
		},
		"another ConfigMap in the cluster, accepted": func(in *plan.Input, k *spec.KopiaSource) {
			*in = withPolicies(*in, k)
			in.Options.UseCluster = true
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "snapshot")
			alter(&in, in.Document.Source.Spec.Kopia)
			if p, findings := plan.BuildBackup(in); len(p.Steps) == 0 {
				t.Errorf("refused: %v", findings)
			}
		})
	}
}

// withPolicies adds a policy ConfigMap whose content in the cluster is not the
// input's.
func withPolicies(in plan.Input, k *spec.KopiaSource) plan.Input {
	k.PolicyConfig = &spec.PolicyConfig{ConfigMapName: "policies"}
	in.Set.Documents = append(in.Set.Documents, &spec.Document{ConfigMap: &spec.ConfigMap{
		Metadata: spec.Metadata{Name: "policies", Namespace: "prod"}, Data: map[string]string{"global-policy.json": "{}"},
	}})
	in.Facts.ConfigMaps = []plan.ConfigMap{{Name: "policies", Data: map[string]string{"global-policy.json": `{"retention":{"keepDaily":1}}`}}}
	return in
}

func TestTriggersAndPauses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		alter  change
		skip   string
		errors []string
	}{
		"a served manual tag runs by force": {func(in *plan.Input, _ *spec.KopiaSource) { manual(in, "a", "a"); in.Options.Force = true }, "", nil},
		"a served manual tag is skipped":    {func(in *plan.Input, _ *spec.KopiaSource) { manual(in, "a", "a") }, plan.SkipManualTriggerServed, nil},
		"a new manual tag runs":             {func(in *plan.Input, _ *spec.KopiaSource) { manual(in, "b", "a") }, "", nil},
		"a manual tag without status runs": {func(in *plan.Input, _ *spec.KopiaSource) {
			manual(in, "b", "")
			in.Facts.Object = nil
		}, "", nil},
		"paused without an operator is refused": {func(in *plan.Input, _ *spec.KopiaSource) { in.Document.Source.Spec.Paused = true }, "", []string{"VK516"}},
		"paused without an operator runs forced": {func(in *plan.Input, _ *spec.KopiaSource) {
			in.Document.Source.Spec.Paused, in.Options.Force = true, true
		}, "", nil},
		"paused in a CronJob is skipped": {func(in *plan.Input, _ *spec.KopiaSource) {
			in.Document.Source.Spec.Paused, in.Options.Scheduled = true, true
		}, plan.SkipPaused, nil},
		"paused in the file only does not stop an operator": {func(in *plan.Input, _ *spec.KopiaSource) {
			in.Document.Source.Spec.Paused = true
			in.Facts.Object.Spec = []byte(`{"sourcePVC":"postgres-data"}`)
			in.Facts.Object.Jobs = []string{"volsync-src-postgres"}
		}, "", []string{"VK515"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "snapshot")
			c.alter(&in, in.Document.Source.Spec.Kopia)
			p, findings := plan.BuildBackup(in)
			skip := ""
			if p.Skip != nil {
				skip = p.Skip.Reason
			}
			if skip != c.skip || !slices.Equal(codesOf(findings, problem.Error), c.errors) {
				t.Errorf("skip %q, findings %v; want %q and %v", skip, findings, c.skip, c.errors)
			}
			if runs := c.skip == "" && c.errors == nil; runs != (len(p.Steps) > 0) {
				t.Errorf("%d steps", len(p.Steps))
			}
		})
	}
}

func manual(in *plan.Input, tag, served string) {
	in.Document.Source.Spec.Trigger = &spec.Trigger{Manual: tag}
	in.Facts.Object.LastManualSync = served
}

func TestTheMoverGoesWhereItsVolumesAre(t *testing.T) {
	t.Parallel()
	p, _ := plan.BuildBackup(load(t, "direct-consumer"))
	pod := jobOf(t, p).Spec.Template.Spec
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if len(terms) != 1 || len(terms[0].MatchExpressions) != 1 || terms[0].MatchExpressions[0].Key != "disk" ||
		len(terms[0].MatchFields) != 1 || terms[0].MatchFields[0].Values[0] != "node-2" {
		t.Errorf("the manifest's affinity and the consumer's node must both hold: %v", terms)
	}
	if len(pod.Tolerations) != 1 || pod.Tolerations[0].Key != "db" {
		t.Errorf("the mover must tolerate what the consumer tolerates: %v", pod.Tolerations)
	}
	p, _ = plan.BuildBackup(load(t, "wait-for-first-consumer"))
	terms = jobOf(t, p).Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if len(terms) != 1 || terms[0].MatchExpressions[0].Values[0] != "node-2" {
		t.Errorf("a local snapshot must be read where it was taken: %v", terms)
	}
	p, _ = plan.BuildBackup(load(t, "snapshot"))
	if affinity := jobOf(t, p).Spec.Template.Spec.Affinity; affinity != nil {
		t.Errorf("a copy that any node can mount must not bind the mover: %v", affinity)
	}
}

func TestARunningTimeoutEndsThePodAndNotTheJob(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	in.Options.Timeouts.Running = result.Duration(2 * time.Hour)
	p, _ := plan.BuildBackup(in)
	job := jobOf(t, p)
	if job.Spec.ActiveDeadlineSeconds != nil || *job.Spec.Template.Spec.ActiveDeadlineSeconds != 7200 {
		t.Error("the Job's deadline would delete the pod with its result")
	}
}

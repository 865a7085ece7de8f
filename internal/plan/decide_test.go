package plan_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
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
		"a copy and a repository that a pod holds in the same zone": func(in *plan.Input, k *spec.KopiaSource) {
			*in = waitsForItsConsumer(*in)
			k.RepositoryPVC = new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Consumers: []plan.Consumer{
				{Pod: "b", Node: "node-9", NodeLabels: map[string]string{"zone": "a"}},
			}})
		},
		"two volumes that are attached to one node": func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.RepositoryPVC = spec.CopyDirect, new("backups")
			in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "backups", Volume: &plan.Volume{AttachedTo: "node-2"}})
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

// waitsForItsConsumer makes the source's class one that places the copy where the
// mover is, and the source a volume of zone a.
func waitsForItsConsumer(in plan.Input) plan.Input {
	in.Facts.StorageClasses[0].BindingMode = storagev1.VolumeBindingWaitForFirstConsumer
	in.Facts.Claims[0].Volume.NodeAffinity = topologyOf("zone", "a")
	return in
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

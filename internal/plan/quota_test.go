package plan_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// quotaRow is a quota of one thing, with how much of it is enough for a run and
// how much is not; empty: nothing is too little.
type quotaRow struct {
	alter             change
	name              corev1.ResourceName
	enough, tooLittle string
}

func quotaRows() map[string]quotaRow {
	resources := func(_ *plan.Input, k *spec.KopiaSource) {
		k.MoverResources = &corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *quantity("500m")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: *quantity("1Gi")},
		}
	}
	cached := func(_ *plan.Input, k *spec.KopiaSource) {
		k.CopyMethod, k.CacheStorageClassName = spec.CopyDirect, new("ceph-block")
		k.CacheCapacity = quantity("5Gi")
	}
	plain := func(*plan.Input, *spec.KopiaSource) {}
	return map[string]quotaRow{
		"the pod":                            {plain, "pods", "1", "0"},
		"the pod, counted":                   {plain, "count/pods", "1", "0"},
		"the Job":                            {plain, "count/jobs.batch", "1", "0"},
		"the Lease":                          {plain, "count/leases.coordination.k8s.io", "1", "0"},
		"the VolumeSnapshot":                 {plain, "count/volumesnapshots.snapshot.storage.k8s.io", "1", "0"},
		"the copy":                           {plain, "persistentvolumeclaims", "1", "0"},
		"the copy's size":                    {plain, "requests.storage", "20Gi", "19Gi"},
		"the copy, in its class":             {plain, "ceph-block.storageclass.storage.k8s.io/persistentvolumeclaims", "1", "0"},
		"the copy's size, in its class":      {plain, "ceph-block.storageclass.storage.k8s.io/requests.storage", "20Gi", "19Gi"},
		"another class":                      {plain, "local-path.storageclass.storage.k8s.io/requests.storage", "0", ""},
		"a cache that is made":               {cached, "persistentvolumeclaims", "1", "0"},
		"a cache that is made, its size":     {cached, "requests.storage", "5Gi", "4Gi"},
		"a cache that is made, in its class": {cached, "ceph-block.storageclass.storage.k8s.io/requests.storage", "5Gi", "4Gi"},
		"the copy and the cache":             {func(in *plan.Input, k *spec.KopiaSource) { cached(in, k); k.CopyMethod = spec.CopySnapshot }, "requests.storage", "25Gi", "24Gi"},
		"a cache of the cluster's own class": {func(in *plan.Input, k *spec.KopiaSource) {
			k.CopyMethod, k.CacheAccessModes = spec.CopyDirect, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
			in.Facts.Claims[0].StorageClass = nil
		}, "ceph-block.storageclass.storage.k8s.io/persistentvolumeclaims", "1", "0"},
		"the history, when there is none":     {func(in *plan.Input, _ *spec.KopiaSource) { in.Facts.History = nil }, "configmaps", "1", "0"},
		"the history is there":                {plain, "configmaps", "0", ""},
		"requests of the mover":               {resources, "requests.cpu", "500m", "499m"},
		"requests of the mover, the old name": {resources, "cpu", "500m", "499m"},
		"limits of the mover":                 {resources, "limits.memory", "1Gi", "1Mi"},
		"a limit is a request as well":        {resources, "requests.memory", "1Gi", "1Mi"},
		"a quota of something else":           {plain, "services", "0", ""},
	}
}

// Whatever a run creates counts: a quota stops it half-way otherwise.
func TestAQuotaCountsEverythingThatARunCreates(t *testing.T) {
	t.Parallel()
	for what, c := range quotaRows() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			refused := func(hard string) bool {
				in := load(t, "snapshot")
				in.Facts.Quotas = []plan.Quota{{Name: "q", Hard: corev1.ResourceList{c.name: *quantity(hard)}}}
				c.alter(&in, in.Document.Source.Spec.Kopia)
				p, findings := plan.BuildBackup(in)
				codes := codesOf(findings, problem.Error)
				if codes != nil && !slices.Equal(codes, []string{"VK520"}) || (codes == nil) != (len(p.Steps) > 0) {
					t.Fatalf("%s: %v, %d steps", hard, findings, len(p.Steps))
				}
				return codes != nil
			}
			if refused(c.enough) {
				t.Errorf("%s of %s is enough", c.enough, c.name)
			}
			if c.tooLittle != "" && !refused(c.tooLittle) {
				t.Errorf("%s of %s is not enough", c.tooLittle, c.name)
			}
		})
	}
}

func TestACacheThatIsKeptIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	k := in.Document.Source.Spec.Kopia
	k.CopyMethod, k.CacheStorageClassName = spec.CopyDirect, new("ceph-block")
	first, _ := plan.BuildBackup(in)
	in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: first.Cache.Claim})
	in.Facts.Quotas = []plan.Quota{{Name: "q", Hard: corev1.ResourceList{"persistentvolumeclaims": *quantity("1")}, Used: corev1.ResourceList{"persistentvolumeclaims": *quantity("1")}}}
	if p, findings := plan.BuildBackup(in); len(p.Steps) == 0 {
		t.Errorf("refused: %v", findings)
	}
}

// A gap of the quota is told with all others, not after them.
func TestAQuotaIsJudgedBesideOtherErrors(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	in.Env.Image = ""
	in.Facts.Quotas = []plan.Quota{{Name: "q", Hard: corev1.ResourceList{"pods": *quantity("0")}}}
	_, findings := plan.BuildBackup(in)
	if got := codesOf(findings, problem.Error); !slices.Contains(got, "VK520") || !slices.Contains(got, "VK524") {
		t.Errorf("%v", findings)
	}
}

package validate

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// upkeepRepository is the field of a KopiaMaintenance that names the repository's Secret.
const upkeepRepository = "spec.repository.repository"

// maintenance holds the rules of a KopiaMaintenance that no schema can say.
func (c *check) maintenance(m *spec.KopiaMaintenance) {
	s := &m.Spec
	c.trigger("spec.trigger", s.Trigger)
	if s.Schedule != "" {
		c.deprecatedSchedule(s)
	}
	c.noHooks(m.Metadata.Annotations)
	c.cache("spec.", &s.CacheOptions)
	c.moverVolumes("spec.moverVolumes", s.MoverVolumes, false)
	c.customCA("spec.repository.customCA", s.Repository.CustomCA)
	c.resources("spec.resources", s.Resources)
	c.podLabels("spec.moverPodLabels", s.MoverPodLabels)
	c.podLabels("spec.nodeSelector", s.NodeSelector)
	if s.Repository.RepositoryType != "" {
		c.note("VK168", "spec.repository.repositoryType", "repositoryType has no effect: the Secret says what the repository is", "remove it")
	}
	if s.CachePVC != nil && (s.CacheCapacity != nil || s.CacheStorageClassName != nil || len(s.CacheAccessModes) > 0) {
		c.note("VK168", "spec.cachePVC", "cacheCapacity, cacheStorageClassName and cacheAccessModes shape a new claim and have no effect beside cachePVC in a cluster",
			"remove them, or remove cachePVC")
	}
	place := c.storageOf(placeOnClaim(nil, s.MoverVolumes, "spec.moverVolumes"), nil)
	if dir := place.Filesystem; dir != nil {
		dir.Mounted = true
	}
	c.repository(s.Repository.Repository, place)
}

// deprecatedSchedule judges spec.schedule; that it is deprecated is known from
// package spec.
func (c *check) deprecatedSchedule(s *spec.KopiaMaintenanceSpec) {
	const path = "spec.schedule"
	c.schedule(path, s.Schedule)
	if s.Trigger != nil && (s.Trigger.Schedule != nil || s.Trigger.Manual != "") {
		c.warn("VK164", path, "schedule has no effect beside trigger", "remove it")
	}
}

// Limits that VolSync's own validation puts on the resources of maintenance.
const (
	maxMemory = "100Gi"
	maxCPU    = "32"
)

// resources judges the container's resources as VolSync does, because what it
// refuses never runs there.
func (c *check) resources(path string, r *corev1.ResourceRequirements) {
	if r == nil {
		return
	}
	c.resourceList(path+".limits", r.Limits)
	c.resourceList(path+".requests", r.Requests)
	c.requestsWithinLimits(path, r)
	if memory, ok := r.Limits[corev1.ResourceMemory]; ok && memory.Cmp(resource.MustParse(maxMemory)) > 0 {
		c.fail("VK163", path+".limits.memory", memory.String()+" is more memory than a KopiaMaintenance may have", "give at most "+maxMemory)
	}
	if cpu, ok := r.Limits[corev1.ResourceCPU]; ok && cpu.Cmp(resource.MustParse(maxCPU)) > 0 {
		c.fail("VK163", path+".limits.cpu", cpu.String()+" is more CPU than a KopiaMaintenance may have", "give at most "+maxCPU)
	}
}

// requestsWithinLimits finds what the API server refuses in any pod.
func (c *check) requestsWithinLimits(path string, r *corev1.ResourceRequirements) {
	if r == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request, limit := r.Requests[name], r.Limits[name]
		if _, limited := r.Limits[name]; limited && request.Cmp(limit) > 0 {
			c.fail("VK163", path+".requests."+string(name), "the request of "+request.String()+" is above the limit of "+limit.String(),
				"lower the request or raise the limit")
		}
	}
}

func (c *check) resourceList(path string, list corev1.ResourceList) {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		at := path + "." + string(name)
		amount := list[name]
		switch {
		case amount.Sign() < 0 || (amount.Sign() == 0 && name == corev1.ResourceMemory && strings.HasSuffix(path, ".limits")):
			c.fail("VK163", at, "the amount cannot be "+amount.String(), "give an amount above 0")
		case name == corev1.ResourceCPU, name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage:
		case !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
			c.fail("VK163", at, quoted(string(name))+" is not a resource of maintenance: those are cpu, memory, ephemeral-storage and hugepages-*", "remove it")
		}
	}
}

package plan

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// ofStorageClass is between a class and what a quota counts of it.
const ofStorageClass = ".storageclass.storage.k8s.io/"

// charge is what a run adds to the quotas of its namespace.
type charge corev1.ResourceList

// add counts a quantity.
func (c charge) add(name corev1.ResourceName, q resource.Quantity) {
	sum := c[name]
	sum.Add(q)
	c[name] = sum
}

// one counts an object.
func (c charge) one(names ...corev1.ResourceName) {
	for _, name := range names {
		c.add(name, *resource.NewQuantity(1, resource.DecimalSI))
	}
}

// checkQuota refuses a run that a ResourceQuota would stop half-way: it adds up
// what the steps create.
func (b *builder) checkQuota() {
	want := charge{}
	for i := range b.steps {
		switch b.steps[i].Kind {
		case StepAsk: // hardly ever made, and after the mover has ended
		case StepStatus: // its history is the one that the start was noted in
		default:
			b.check(b.count(want, &b.steps[i]))
		}
	}
	for _, quota := range b.in.Facts.Quotas {
		for _, name := range sortedKeys(want) {
			hard, limited := quota.Hard[name]
			if !limited {
				continue
			}
			used, more := quota.Used[name], want[name]
			total := used.DeepCopy()
			total.Add(more)
			if total.Cmp(hard) > 0 {
				b.find(problem.Error, codeQuota, "",
					fmt.Sprintf("ResourceQuota %q allows %s of %s; %s is used and the run needs %s more",
						quota.Name, hard.String(), name, used.String(), more.String()),
					"free some of it, or ask for a larger quota")
			}
		}
	}
}

// count adds what the API server counts for the object of a step.
func (b *builder) count(want charge, step *Step) error {
	if step.Object == nil || step.IfMissing && b.exists(step) {
		return nil
	}
	switch step.Object["kind"] {
	case "Lease":
		want.one("count/leases.coordination.k8s.io")
	case "VolumeSnapshot":
		want.one("count/volumesnapshots." + GroupSnapshot)
	case "ConfigMap":
		want.one("configmaps", "count/configmaps")
	case "PersistentVolumeClaim":
		var claim corev1.PersistentVolumeClaim
		if err := typed(step.Object, &claim); err != nil {
			return err
		}
		b.countClaim(want, &claim)
	case "Job":
		var job batchv1.Job
		if err := typed(step.Object, &job); err != nil {
			return err
		}
		want.one("count/jobs.batch", corev1.ResourcePods, "count/pods")
		countContainer(want, job.Spec.Template.Spec.Containers[0].Resources)
	}
	return nil
}

// typed fills an object of the plan; a size that is not known yet is the least
// that it will be.
func typed(t Template, into any) error {
	filled, err := t.Fill(func(Ref) (string, error) { return "", nil })
	if err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(filled.Object, into)
}

// exists reports whether the object of a step that accepts one is there already.
func (b *builder) exists(step *Step) bool {
	if step.Object["kind"] == "ConfigMap" {
		return b.in.Facts.History != nil
	}
	return b.in.Facts.claim(step.Object.Name()) != nil
}

// countClaim counts a claim, also for its class.
func (b *builder) countClaim(want charge, claim *corev1.PersistentVolumeClaim) {
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	want.one(corev1.ResourcePersistentVolumeClaims, "count/persistentvolumeclaims")
	want.add(corev1.ResourceRequestsStorage, size)
	class := deref(claim.Spec.StorageClassName)
	if claim.Spec.StorageClassName == nil {
		if standard := find(b.in.Facts.StorageClasses, func(c *StorageClass) bool { return c.Default }); standard != nil {
			class = standard.Name
		}
	}
	if class != "" {
		want.one(corev1.ResourceName(class + ofStorageClass + "persistentvolumeclaims"))
		want.add(corev1.ResourceName(class+ofStorageClass+"requests.storage"), size)
	}
}

// countContainer counts what the mover asks for. A limit without a request is a
// request too.
func countContainer(want charge, r corev1.ResourceRequirements) {
	requests := r.Requests.DeepCopy()
	for name, limit := range r.Limits {
		want.add("limits."+name, limit)
		if _, given := requests[name]; !given {
			if requests == nil {
				requests = corev1.ResourceList{}
			}
			requests[name] = limit
		}
	}
	for name, request := range requests {
		want.add("requests."+name, request)
		if name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage {
			want.add(name, request)
		}
	}
}

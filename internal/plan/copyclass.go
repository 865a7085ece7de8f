package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// driver returns the claim's storage driver from the best source that is known:
// the volume, the claim's own annotation, its class.
func (b *builder) driver(claim *Claim) string {
	if claim.Volume != nil {
		return claim.Volume.Driver
	}
	for _, key := range []string{annotationProvisioner, annotationProvisionerBeta} {
		if name := claim.Annotations[key]; name != "" {
			return name
		}
	}
	if claim.StorageClass != nil {
		if class := b.in.Facts.storageClass(*claim.StorageClass); class != nil {
			return class.Provisioner
		}
	}
	return ""
}

// classesOf returns the snapshot classes of the driver, by name.
func (b *builder) classesOf(driver string) []SnapshotClass {
	var classes []SnapshotClass
	for _, class := range b.in.Facts.SnapshotClasses {
		if class.Driver == driver {
			classes = append(classes, class)
		}
	}
	slices.SortFunc(classes, func(x, y SnapshotClass) int { return strings.Compare(x.Name, y.Name) })
	return classes
}

// snapshotClass sets the class of a Snapshot copy, or reports why there is none.
func (b *builder) snapshotClass(c *Copy) {
	const path = "spec.kopia.volumeSnapshotClassName"
	if !b.in.Facts.SnapshotAPI {
		b.find(problem.Error, codeNoSnapshotAPI, "spec.kopia.copyMethod",
			"the cluster does not serve snapshot.storage.k8s.io/v1, so no VolumeSnapshot can be made",
			"install the snapshot controller and its CRDs, or use copyMethod Clone or Direct")
		return
	}
	unknown := b.in.Facts.isUnknown(FactSnapshotClasses)
	if name := deref(b.kopia.VolumeSnapshotClassName); name != "" {
		c.SnapshotClass = name
		if !unknown {
			b.checkNamedClass(c, path)
		}
		return
	}
	if unknown {
		// Left empty, the snapshot controller takes the driver's default.
		return
	}
	classes := b.classesOf(c.Driver)
	defaults := slices.DeleteFunc(slices.Clone(classes), func(s SnapshotClass) bool { return !s.Default })
	switch {
	case len(defaults) == 1:
		c.SnapshotClass = defaults[0].Name
	case len(classes) == 1:
		c.SnapshotClass = classes[0].Name
	case len(classes) == 0:
		b.find(problem.Error, codeSnapshotClassMissing, "spec.kopia.copyMethod",
			fmt.Sprintf("no VolumeSnapshotClass is for driver %q", c.Driver),
			"create one for the driver, or use copyMethod Clone or Direct")
	default:
		b.find(problem.Error, codeSnapshotClassAmbiguous, path,
			fmt.Sprintf("%s for driver %s and not exactly one is the default: %s",
				plural(len(classes), "VolumeSnapshotClass", "VolumeSnapshotClasses"), c.Driver, classNames(classes)),
			"set spec.kopia.volumeSnapshotClassName to one of them")
	}
}

// checkNamedClass checks the class that the manifest names.
func (b *builder) checkNamedClass(c *Copy, path string) {
	class := b.in.Facts.snapshotClass(c.SnapshotClass)
	switch {
	case class == nil:
		known := classNames(b.classesOf(c.Driver))
		if known == "" {
			known = "none"
		}
		b.find(problem.Error, codeSnapshotClassMissing, path,
			fmt.Sprintf("VolumeSnapshotClass %q does not exist; for driver %q there is: %s", c.SnapshotClass, c.Driver, known),
			"name one of these, or leave the field out")
	case c.Driver != "" && class.Driver != c.Driver:
		b.find(problem.Error, codeSnapshotClassMissing, path,
			fmt.Sprintf("VolumeSnapshotClass %q is for driver %s, but the claim's volume is of %s", class.Name, class.Driver, c.Driver),
			"name a class of the claim's driver")
	}
}

// checkStorageClass checks the class of the copy and takes its binding mode.
func (b *builder) checkStorageClass(c *Copy) {
	const path = "spec.kopia.storageClassName"
	if c.StorageClass == "" {
		b.find(problem.Error, codeStorageClassMissing, path,
			fmt.Sprintf("claim %q has no StorageClass, so a copy of it has none either", c.Claim),
			"set spec.kopia.storageClassName to a class of the claim's driver")
		return
	}
	class := b.in.Facts.storageClass(c.StorageClass)
	switch {
	case class == nil && b.in.Facts.isUnknown(FactStorageClasses):
		return
	case class == nil:
		b.find(problem.Error, codeStorageClassMissing, path,
			fmt.Sprintf("StorageClass %q does not exist", c.StorageClass), "name one that kubectl get storageclass lists")
		return
	}
	c.BindingMode = string(class.BindingMode)
	if c.Driver != "" && class.Provisioner != c.Driver {
		b.find(problem.Error, codeStorageClassMissing, path,
			fmt.Sprintf("StorageClass %q is of %s, but the claim's volume is of %s: a copy cannot change the driver",
				class.Name, class.Provisioner, c.Driver),
			"name a class of the claim's driver")
	}
}

// classNames lists the names of the classes.
func classNames(classes []SnapshotClass) string {
	names := make([]string, 0, len(classes))
	for _, c := range classes {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

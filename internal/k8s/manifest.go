package k8s

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Manifest returns the live object as the YAML that somebody could have applied:
// without its status and what the API server keeps of it.
func (c *Cluster) Manifest(ctx context.Context, kind, namespace, name string) ([]byte, error) {
	objects, err := c.objects(kind, namespace)
	if err != nil {
		return nil, err
	}
	live, err := objects.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fault.New(fault.Refused, "it does not exist: %w", err).At(fmt.Sprintf("%s %s/%s", kind, namespace, name)).
			WithHint("choose the namespace with -n, or give the manifest with -f")
	}
	if err != nil {
		return nil, cannot(err, "read it").At(fmt.Sprintf("%s %s/%s", kind, namespace, name))
	}
	applied := &unstructured.Unstructured{Object: map[string]any{"spec": live.Object["spec"]}}
	if schedule, _, _ := unstructured.NestedString(applied.Object, "spec", "schedule"); kind == spec.KindKopiaMaintenance && schedule == spec.DefaultMaintenanceSchedule {
		// The CRD's default of a deprecated field, which hardly anybody has written.
		unstructured.RemoveNestedField(applied.Object, "spec", "schedule")
	}
	applied.SetAPIVersion(live.GetAPIVersion())
	applied.SetKind(live.GetKind())
	applied.SetName(live.GetName())
	applied.SetNamespace(live.GetNamespace())
	applied.SetAnnotations(ourAnnotations(live.GetAnnotations()))
	dropDefaultSchedule(applied)
	return yaml.Marshal(applied.Object)
}

// dropDefaultSchedule takes out what the CRD fills in and nobody has written: the
// deprecated schedule of a KopiaMaintenance. Without it the same schedule counts.
func dropDefaultSchedule(m *unstructured.Unstructured) {
	given, _, err := unstructured.NestedString(m.Object, "spec", "schedule")
	if m.GetKind() != spec.KindKopiaMaintenance || err != nil || given != spec.DefaultMaintenanceSchedule {
		return
	}
	written, _, _ := unstructured.NestedMap(m.Object, "spec") // a copy: the object is the caller's
	delete(written, "schedule")
	m.Object["spec"] = written
}

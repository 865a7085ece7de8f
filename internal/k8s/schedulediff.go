package k8s

import (
	"context"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// Difference is what applying an object of a schedule would change.
type Difference struct {
	Object *unstructured.Unstructured
	// Missing is true when there is no such object yet.
	Missing bool
	// Text is a unified diff of the object as it is and as it would be.
	Text string
}

// DiffSchedule returns what ApplySchedule would change, also of fields that are
// another manager's. Nothing is changed.
func (c *Cluster) DiffSchedule(ctx context.Context, objects []plan.Template) ([]Difference, error) {
	wanted, err := c.tryApply(ctx, objects, true)
	if err != nil {
		return nil, err
	}
	var found []Difference
	for i := range wanted {
		w := &wanted[i]
		before, err := withoutServerSide(w.live)
		if err != nil {
			return nil, err
		}
		after, err := withoutServerSide(w.would)
		if err != nil {
			return nil, err
		}
		name := fileName(w.object)
		if text := diff.Diff("LIVE/"+name, before, "MERGED/"+name, after); len(text) > 0 {
			found = append(found, Difference{Object: w.object, Missing: w.live == nil, Text: string(text)})
		}
	}
	return found, nil
}

// withoutServerSide is an object as YAML, without what the API server keeps of it by itself.
func withoutServerSide(o *unstructured.Unstructured) ([]byte, error) {
	if o == nil {
		return nil, nil
	}
	shown := o.DeepCopy()
	delete(shown.Object, "status")
	for _, kept := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(shown.Object, "metadata", kept)
	}
	return yaml.Marshal(shown.Object)
}

// fileName names an object as kubectl diff does.
func fileName(o *unstructured.Unstructured) string {
	version := strings.ReplaceAll(o.GetAPIVersion(), "/", ".")
	return strings.Join([]string{version, o.GetKind(), o.GetNamespace(), o.GetName()}, ".")
}

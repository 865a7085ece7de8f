package validate

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

func TestWhichObjectAReferenceMeans(t *testing.T) {
	t.Parallel()
	o := newObjects()
	for _, at := range []objectKey{{"b", "both"}, {"a", "both"}, {"c", "one"}, {"", "any"}, {"d", "any"}} {
		secret := &spec.Secret{}
		secret.Metadata.Namespace, secret.Metadata.Name = at.namespace, at.name
		o.add(&spec.Document{Secret: secret})
	}
	for reader, want := range map[objectKey]string{
		{"b", "both"}: "b", {"", "both"}: "a", {"", "one"}: "c", {"x", "one"}: "none", {"x", "any"}: "", {"d", "any"}: "d", {"", "any"}: "", {"", "gone"}: "none",
	} {
		got := "none"
		if d := o.find(reader.namespace, reader.name); d != nil {
			got = d.Metadata().Namespace
		}
		if got != want {
			t.Errorf("%q in %q is found in %q, want %q", reader.name, reader.namespace, got, want)
		}
	}
}

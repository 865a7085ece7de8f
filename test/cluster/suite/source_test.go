package suite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func sources() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
}

// definitions installs what the command's crds prints, once for all tests.
var definitions = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, stdout, stderr := command(ctx, os.DevNull, "crds")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("crds: %w\n%s", err, stderr)
	}
	crds := shared.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	decoder := yaml.NewYAMLOrJSONDecoder(stdout, 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := crds.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "suite", Force: true}); err != nil {
			return err
		}
		if err := untilServed(ctx, o.GetName()); err != nil {
			return err
		}
	}
})

// untilServed waits until the API server lists the objects of a definition,
// "PLURAL.GROUP".
func untilServed(ctx context.Context, name string) error {
	plural, group, _ := strings.Cut(name, ".")
	gvr := schema.GroupVersionResource{Group: group, Version: "v1alpha1", Resource: plural}
	for {
		_, err := shared.dynamic.Resource(gvr).List(ctx, metav1.ListOptions{Limit: 1})
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// newSource is newSpace with the source itself in the cluster.
func newSource(t testing.TB, s shape) *space {
	t.Helper()
	if err := definitions(); err != nil {
		t.Fatal(err)
	}
	n := newSpace(t, s)
	n.apply()
	return n
}

// apply makes the sources of the namespace's manifest.
func (n *space) apply() {
	n.t.Helper()
	for _, document := range strings.Split(n.manifest(), "\n---\n") {
		o := &unstructured.Unstructured{}
		n.must(yaml.Unmarshal([]byte(document), &o.Object))
		_, err := shared.dynamic.Resource(sources()).Namespace(n.name).Create(n.t.Context(), o, metav1.CreateOptions{})
		n.must(err)
	}
}

// manifest is the text of the namespace's manifest.
func (n *space) manifest() string {
	n.t.Helper()
	text, err := os.ReadFile(n.file)
	n.must(err)
	return string(text)
}

// edit replaces a text that stands once in the manifest.
func (n *space) edit(old, replacement string) {
	n.t.Helper()
	text := n.manifest()
	if strings.Count(text, old) != 1 {
		n.t.Fatalf("%q is not once in the manifest:\n%s", old, text)
	}
	n.must(os.WriteFile(n.file, []byte(strings.Replace(text, old, replacement, 1)), 0o600))
}

// twice makes the manifest two documents, each the one there is with its own
// replacements.
func (n *space) twice(first, second *strings.Replacer) {
	n.t.Helper()
	text := n.manifest()
	n.must(os.WriteFile(n.file, []byte(first.Replace(text)+"---\n"+second.Replace(text)), 0o600))
}

// named replaces the name of newSpace's source.
func named(name string, more ...string) *strings.Replacer {
	return strings.NewReplacer(append(more, "name: app,", "name: "+name+",")...)
}

// source is the live source.
func (n *space) source(name string) *unstructured.Unstructured {
	n.t.Helper()
	o, err := shared.dynamic.Resource(sources()).Namespace(n.name).Get(n.t.Context(), name, metav1.GetOptions{})
	n.must(err)
	return o
}

// patch changes fields of the live source.
func (n *space) patch(name string, fields map[string]any) {
	n.t.Helper()
	text, err := json.Marshal(fields)
	n.must(err)
	_, err = shared.dynamic.Resource(sources()).Namespace(n.name).Patch(n.t.Context(), name, types.MergePatchType, text, metav1.PatchOptions{})
	n.must(err)
}

// secretIs sets one key of the repository's Secret.
func (n *space) secretIs(key, value string) {
	n.t.Helper()
	text, err := json.Marshal(map[string]any{"stringData": map[string]string{key: value}})
	n.must(err)
	_, err = shared.typed.CoreV1().Secrets(n.name).Patch(n.t.Context(), "kopia-config", types.MergePatchType, text, metav1.PatchOptions{})
	n.must(err)
}

// kept are the documented names of what a source's runs leave: history, and
// cache claim.
func (n *space) kept(name string) (history, cache string) {
	sum := sha256.Sum256([]byte("ReplicationSource/" + n.name + "/" + name))
	end := name + "-" + hex.EncodeToString(sum[:])[:10]
	return "vk-status-" + end, "vk-cache-" + end
}

package crd_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// sample is an object of one of the kinds, and where it comes from.
type sample struct {
	from   string
	object *unstructured.Unstructured
}

// samples returns every manifest of the repository that is valid, an object of
// each kind with every field, and manifests of other movers.
func samples(t *testing.T) []sample {
	t.Helper()
	all := everyField(t)
	all = append(all, decode(t, "other movers", strings.NewReader(otherMovers))...)
	for _, pattern := range []string{
		"../../test/acceptance/testdata/*.yaml", "../../testdata/golden/*/manifest.yaml", "../../examples/*/*.yaml", "../spec/testdata/valid/*",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, decode(t, name, file)...)
			_ = file.Close() // it was only read
		}
	}
	return all
}

// decode reads the objects of VolSync's kinds from a stream.
func decode(t *testing.T, from string, stream io.Reader) []sample {
	t.Helper()
	var found []sample
	d := yaml.NewYAMLOrJSONDecoder(stream, 4096)
	for {
		var u unstructured.Unstructured
		err := d.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		items, list, _ := unstructured.NestedSlice(u.Object, "items")
		if !list {
			items = []any{u.Object}
		}
		for _, item := range items {
			object, _ := item.(map[string]any)
			if o := (&unstructured.Unstructured{Object: object}); o.GroupVersionKind().Group == "volsync.backube" {
				found = append(found, sample{fmt.Sprintf("%s: %s %s", from, o.GetKind(), o.GetName()), o})
			}
		}
	}
}

// otherMovers are manifests that this tool does not run and that a cluster must
// keep whole. The API server fills defaults in where there are some.
const otherMovers = `
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: restic}
spec:
  sourcePVC: data
  trigger: {schedule: "0 0 * * SUN"}
  restic: {repository: r, pruneIntervalDays: 7, retain: {daily: 3, within: 3d}, unlock: a, moverAffinity: {nodeAffinity: {}}}
---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: syncthing}
spec: {sourcePVC: data, syncthing: {serviceType: ClusterIP, peers: [{ID: x, address: "tcp://y", introducer: true}]}}
---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: external}
spec: {external: {provider: example.org/x, parameters: {a: b}}}
---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationDestination
metadata: {name: rsync-tls}
spec: {rsyncTLS: {copyMethod: Snapshot, capacity: 1Gi, accessModes: [ReadWriteOnce], serviceType: LoadBalancer}}
---
apiVersion: volsync.backube/v1alpha1
kind: KopiaMaintenance
metadata: {name: least}
spec: {repository: {repository: vault}}
`

// everyField returns an object of each kind in which no field is empty.
func everyField(t *testing.T) []sample {
	t.Helper()
	var f filler
	var source spec.ReplicationSource
	f.fill(t, reflect.ValueOf(&source).Elem())
	source.Spec.Kopia.CopyMethod = spec.CopyClone
	source.Spec.Kopia.SourcePathOverride = new("/data")
	var destination spec.ReplicationDestination
	f.fill(t, reflect.ValueOf(&destination).Elem())
	destination.Spec.Kopia.CopyMethod = spec.CopyNone
	destination.Spec.Kopia.SourceIdentity.SourcePathOverride = new("/data")
	var maintenance spec.KopiaMaintenance
	f.fill(t, reflect.ValueOf(&maintenance).Elem())
	maintenance.Spec.ActiveDeadlineSeconds = new(int64(600))
	return []sample{
		typed(t, spec.KindReplicationSource, &source),
		typed(t, spec.KindReplicationDestination, &destination),
		typed(t, spec.KindKopiaMaintenance, &maintenance),
	}
}

func typed(t *testing.T, kind string, object any) sample {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(spec.GroupVersion)
	u.SetKind(kind)
	return sample{"every field of " + kind, u}
}

// everyStatus returns the status that a backup writes with no field empty.
func everyStatus(t *testing.T) map[string]any {
	t.Helper()
	return everyStatusOf[status.Status](t)
}

// everyStatusOf returns a status with no field empty.
func everyStatusOf[T any](t *testing.T) map[string]any {
	t.Helper()
	var s T
	new(filler).fill(t, reflect.ValueOf(&s).Elem())
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&s)
	if err != nil {
		t.Fatal(err)
	}
	conditions, _, err := unstructured.NestedSlice(content, "conditions")
	if err != nil || len(conditions) == 0 {
		t.Fatalf("conditions %v, %v", conditions, err)
	}
	for i := range conditions {
		conditions[i].(map[string]any)["status"] = string(metav1.ConditionTrue)
	}
	content["conditions"] = conditions
	return content
}

// filler gives every field below a value another value.
type filler struct{ n int }

func (f *filler) fill(t *testing.T, v reflect.Value) {
	t.Helper()
	f.n++
	switch v.Type() {
	case reflect.TypeFor[resource.Quantity]():
		v.Set(reflect.ValueOf(resource.MustParse(fmt.Sprintf("%dMi", f.n))))
		return
	case reflect.TypeFor[metav1.Time]():
		v.Set(reflect.ValueOf(metav1.Time{Time: time.Date(2026, 1, 31, 18, 0, f.n%60, 0, time.UTC)}))
		return
	case reflect.TypeFor[metav1.Duration]():
		v.Set(reflect.ValueOf(metav1.Duration{Duration: time.Duration(f.n) * time.Second}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(t, v.Index(0))
		f.fill(t, v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		f.fill(t, value)
		v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key-%d", f.n)).Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	default:
		t.Errorf("a value of type %s cannot be made", v.Type())
	}
}

package spec

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func equalQuantities() cmp.Option {
	return cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
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
		t.Errorf("the decoder does not know the type %s", v.Type())
	}
}

func TestEveryFieldOfEveryKindIsDecoded(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			object := reflect.New(k.typ)
			f := &filler{}
			f.fill(t, object.Elem())
			if f.n < 100 {
				t.Fatalf("only %d values were filled in", f.n)
			}
			object.Elem().FieldByName("APIVersion").SetString(GroupVersion)
			object.Elem().FieldByName("Kind").SetString(k.name)
			text, err := yaml.Marshal(object.Interface())
			if err != nil {
				t.Fatal(err)
			}
			set, problems := Parse([]Input{{Name: "x.yaml", Data: text}}, Options{})
			if problems.HasErrors() {
				t.Fatalf("problems:\n%s", write(problems))
			}
			got := reflect.ValueOf(set.Documents[0]).Elem()
			for _, field := range []string{"Source", "Destination", "Maintenance"} {
				if v := got.FieldByName(field); v.Type() == object.Type() {
					if diff := cmp.Diff(object.Interface(), v.Interface(), equalQuantities()); diff != "" {
						t.Errorf("after the round trip (-want +got):\n%s", diff)
					}
				}
			}
		})
	}
}

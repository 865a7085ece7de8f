package result

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// filled sets every field below v, and texts so long that each limit cuts them.
func filled(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			filled(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("v"))
	case reflect.String:
		v.SetString(strings.Repeat("x", 500))
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(1)
	}
}

// fields flattens a Result to its members and those of its snapshot, policy and maintenance.
func fields(t *testing.T, r Result) map[string]any {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(data, &top); err != nil {
		t.Fatal(err)
	}
	flat := map[string]any{}
	for name, value := range top {
		flat[name] = value
		if name != "snapshot" && name != "policy" && name != "maintenance" {
			continue
		}
		flat[name] = "there"
		for inner, value := range value.(map[string]any) {
			flat[name+"."+inner] = value
		}
	}
	return flat
}

// The documentation of a Result prints what the steps say about themselves.
func TestReductionsChangeWhatTheySay(t *testing.T) {
	t.Parallel()
	var r Result
	filled(reflect.ValueOf(&r).Elem())
	r.Snapshots, r.Problems = nil, nil
	r.Policy.Applied, r.Policy.Failed, r.Policy.OmittedChanges = 0, 0, 0
	for i, step := range Reductions() {
		before := fields(t, r)
		for step.shrink(&r) {
		}
		after := fields(t, r)
		var changed []string
		for name, value := range before {
			// What is left out is counted, as How says; a part goes with the whole.
			counter := strings.Contains(step.How, "`"+name+"`")
			whole, _, isPart := strings.Cut(name, ".")
			if !counter && !reflect.DeepEqual(value, after[name]) && (!isPart || after[whole] != nil) {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if diff := cmp.Diff(slices.Sorted(slices.Values(step.Fields)), changed); diff != "" {
			t.Errorf("step %d, %s:\n%s", i+1, step.How, diff)
		}
	}
}

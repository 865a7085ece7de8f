package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The page has an example of each Report that decodes as what the command prints, and
// names each field of it.
func TestReportsAreAsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference/report.md")
	if err != nil {
		t.Fatal(err)
	}
	for title, c := range map[string]struct {
		items any
		types []reflect.Type
	}{
		"status":           {&[]standing{}, []reflect.Type{reflect.TypeFor[standing]()}},
		"runs list":        {&[]runRow{}, []reflect.Type{reflect.TypeFor[runRow]()}},
		"schedule list":    {&[]scheduleRow{}, []reflect.Type{reflect.TypeFor[scheduleRow]()}},
		"schedule --apply": {&[]appliedRow{}, []reflect.Type{reflect.TypeFor[appliedRow]()}},
		"doctor":           {&[]diagnosis{}, []reflect.Type{reflect.TypeFor[diagnosis](), reflect.TypeFor[check]()}},
	} {
		_, section, _ := strings.Cut(string(page), "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		fields, example, _ := strings.Cut(section, "```json\n")
		example, _, found := strings.Cut(example, "```")
		document := struct {
			APIVersion string         `json:"apiVersion"`
			Kind       string         `json:"kind"`
			ExitCode   fault.ExitCode `json:"exitCode"`
			Items      any            `json:"items"`
		}{Items: c.items}
		decoder := json.NewDecoder(strings.NewReader(example))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&document); !found || err != nil || document.Kind != "Report" || document.APIVersion != result.APIVersion {
			t.Errorf("%s: %v in %s", title, err, example)
		}
		if reflect.ValueOf(c.items).Elem().Len() != 1 {
			t.Errorf("%s: %v", title, c.items)
		}
		for _, of := range c.types {
			for i := range of.NumField() {
				name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
				if !strings.Contains(fields, "\n| `"+name+"` |") {
					t.Errorf("%s: the field %s is not described", title, name)
				}
			}
		}
	}
}

// A list of nothing is a list.
func TestAReportOfNothingHasItems(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := writeJSON(&out, reportOf[runRow](fault.OK, nil)); err != nil {
		t.Fatal(err)
	}
	const want = "{\n  \"apiVersion\": \"volsync-kopia/v1\",\n  \"kind\": \"Report\",\n  \"exitCode\": 0,\n  \"items\": []\n}\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

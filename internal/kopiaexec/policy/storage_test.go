package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// A part of the place that is not understood must not be dropped: the backup would
// go where only the Secret says.
func TestWhatIsNotUnderstoodOfTheStructuredStorageIsNamed(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`"s3", "config": {"buckt": "b"}`:                                                                              "error VK302 /storage/config/buckt",
		`"s3", "config": {"Bucket": "b"}`:                                                                             "error VK302 /storage/config/Bucket",
		`"s3", "config": {"bucket": "b", "region": 5}`:                                                                "error VK303 /storage/config/region",
		`"s3", "config": {"bucket": "b", "doNotUseTLS": "true"}`:                                                      "error VK303 /storage/config/doNotUseTLS",
		`"s3", "config": {"bucket": "b", "rootCA": "QQ=="}`:                                                           "warning VK315 /storage/config/rootCA",
		`"s3", "config": {"maxUploadSpeedBytesPerSecond": 5}`:                                                         "warning VK315 /storage/config/maxUploadSpeedBytesPerSecond",
		`"s3", "config": {"container": "c"}`:                                                                          "error VK302 /storage/config/container",
		`"azure", "config": {"container": ["c"]}`:                                                                     "error VK303 /storage/config/container",
		`"sftp", "config": {"host": "h", "port": "22"}`:                                                               "error VK303 /storage/config/port",
		`"sftp", "config": {"host": "h", "port": 0}`:                                                                  "error VK303 /storage/config/port",
		`"filesystem", "config": {"path": 5}`:                                                                         "error VK303 /storage/config/path",
		`"filesystem", "config": {"path": "kopia/repository"}`:                                                        "error VK303 /storage/config/path",
		`"filesystem", "config": {"path": "/kopia/../etc"}`:                                                           "error VK303 /storage/config/path",
		`"filesystem", "config": {"path": "/"}`:                                                                       "error VK303 /storage/config/path",
		`"filesystem", "config": {"path": "/kopia/repository"}`:                                                       "",
		`"gcs", "config": {"bucket": "b", "prefix": "p/"}`:                                                            "",
		`"s3", "config": {"bucket": "b", "secretAccessKey": ""}`:                                                      "",
		`"s3", "config": {"bucket": "b", "endpoint": "s3.x", "prefix": "p/", "region": "eu", "doNotVerifyTLS": true}`: "",
		`"s3"`: "",
	} {
		out := Resolve(Inputs{Structured: parse(t, "structured", `{"storage": {"type": `+config+`}}`)}, NamesFor(release.Default))
		var got []string
		for _, n := range out.Notes {
			got = append(got, string(n.Severity)+" "+n.Code+" "+n.Pointer)
			if n.Line == 0 || n.Fix == "" {
				t.Errorf("%s: incomplete %+v", config, n)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", config, diff)
		}
		if refused := strings.HasPrefix(want, "error"); refused == (out.Storage != nil) {
			t.Errorf("%s: storage %s", config, out.Storage)
		}
	}
}

// What the grammar accepts without a word is what a Task carries.
func TestTheStructuredStorageReachesTheTask(t *testing.T) {
	t.Parallel()
	union := reflect.TypeFor[result.Storage]()
	for i := range union.NumField() {
		backend, _, _ := strings.Cut(union.Field(i).Tag.Get("json"), ",")
		var carried, accepted []string
		place := union.Field(i).Type.Elem()
		for j := range place.NumField() {
			// Those are for the plan alone to say.
			if name, _, _ := strings.Cut(place.Field(j).Tag.Get("json"), ","); !slices.Contains([]string{"makeOnEmptyVolume", "named", "mounted"}, name) {
				carried = append(carried, name)
			}
		}
		rules := storageRules(backend)
		for _, key := range slices.Sorted(maps.Keys(rules)) {
			if rules[key].remark == nil {
				accepted = append(accepted, key)
			}
		}
		slices.Sort(carried)
		if diff := cmp.Diff(carried, accepted); diff != "" {
			t.Errorf("%s (-Task +grammar):\n%s", backend, diff)
		}
	}
}

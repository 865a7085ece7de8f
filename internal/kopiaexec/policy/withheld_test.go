package policy

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// changesAfter applies the first inputs to an empty repository and returns how
// the changes of the second ones read.
func changesAfter(t *testing.T, first, second Inputs) []string {
	t.Helper()
	stored := Export{}
	maps.Copy(stored, Resolve(first, NamesFor(release.Default)).Desired.Diff(Export{}).Import)
	var changes []string
	for _, c := range Resolve(second, NamesFor(release.Default)).Desired.Diff(stored).Changes {
		changes = append(changes, c.Path+": "+c.Before+" -> "+c.After)
	}
	return changes
}

// A repository does not say where a stored value came from: it may be a Secret
// that the manifest no longer names.
func TestChangesShowNothingThatASecretSet(t *testing.T) {
	t.Parallel()
	layer := func(policy string) []result.PolicyLayer {
		return []result.PolicyLayer{{From: "spec.kopia", Policy: json.RawMessage(policy)}}
	}
	global := parse(t, "g.json", `{"files":{"ignore":["c4n4ry"]},"retention":{"keepDaily":77317731}}`)
	manual := parse(t, "KOPIA_MANUAL_CONFIG", `{"compression":{"compressor":"gzip","maxSize":77317731}}`)
	fromSecret := Inputs{Source: testSource, Global: global, FromSecret: true, Inline: layer(`{"files":{"ignore":["x"]}}`)}
	rows := map[string]struct {
		first, second Inputs
		want          []string
	}{
		"an argument goes and takes the inherited list with it": {
			fromSecret,
			Inputs{Source: testSource, Global: global, FromSecret: true},
			[]string{"files.ignore: set -> "},
		},
		"the policy Secret goes": {
			fromSecret,
			Inputs{Source: testSource},
			[]string{"files.ignore: set -> "},
		},
		"the policy Secret becomes a ConfigMap": {
			fromSecret,
			Inputs{Source: testSource, Global: parse(t, "g.json", `{"files":{"ignore":["y"]}}`)},
			[]string{`files.ignore: set -> ["y"]`, "files.ignore: set -> "},
		},
		"a Secret's value changes": {
			fromSecret,
			Inputs{Source: testSource, Global: parse(t, "g.json", `{"retention":{"keepDaily":1}}`), FromSecret: true},
			[]string{"retention.keepDaily: set -> set", "files.ignore: set -> "},
		},
		"the manual configuration goes": {
			Inputs{Source: testSource, Manual: manual},
			Inputs{Source: testSource},
			[]string{"compression.compressorName: set -> ", "compression.maxSize: set -> "},
		},
		"the manual configuration is overruled": {
			Inputs{Source: testSource, Manual: manual},
			Inputs{Source: testSource, Manual: manual, Inline: layer(`{"compression":{"compressorName":"zstd"}}`)},
			[]string{`compression.compressorName: set -> "zstd"`},
		},
		// What no Secret can have set is shown.
		"a field of the manifest goes": {
			Inputs{Source: testSource, Inline: layer(`{"retention":{"keepDaily":3},"compression":{"neverCompress":[".mp4"]}}`)},
			Inputs{Source: testSource, Global: parse(t, "g.json", `{}`), FromSecret: true},
			[]string{`compression.neverCompress: [".mp4"] -> `, "retention.keepDaily: 3 -> "},
		},
		"a value of a ConfigMap changes": {
			Inputs{Source: testSource, Global: parse(t, "g.json", `{"retention":{"keepDaily":3},"compression":{"compressor":"zstd"}}`)},
			Inputs{Source: testSource, Global: parse(t, "g.json", `{"retention":{"keepDaily":4},"compression":{"compressor":"gzip"}}`)},
			[]string{`compression.compressorName: "zstd" -> "gzip"`, "retention.keepDaily: 3 -> 4"},
		},
	}
	for name, row := range rows {
		changes := changesAfter(t, row.first, row.second)
		if diff := cmp.Diff(row.want, changes); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		for _, secret := range []string{"c4n4ry", "77317731"} {
			if text := strings.Join(changes, "\n"); strings.Contains(text, secret) {
				t.Errorf("%s: %q is shown:\n%s", name, secret, text)
			}
		}
	}
}

package policy

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestHiddenIgnoreRules(t *testing.T) {
	t.Parallel()
	const global = `{"(global)":{"files":{"ignore":["*.log","*.tmp","cache"]}}}`
	for name, tc := range map[string]struct {
		global, structured, inline, now string
		fromSecret                      bool
		want                            Hidden
	}{
		"an argument adds to the list": {inline: `{"files":{"ignore":["*.bak","*.tmp"]}}`, now: global},
		"the source has a list":        {structured: `{"policies":{"files":{"ignore":["*.bak","*.tmp"]}}}`, now: global, want: Hidden{Count: 2}},
		"it has one, and an argument":  {structured: `{"policies":{"files":{"ignore":["*.bak"]}}}`, inline: `{"files":{"ignore":["*.tmp"]}}`, now: global, want: Hidden{Count: 2}},
		"the source has none":          {inline: `{"retention":{"keepDaily":1}}`, now: global},
		"the source has an empty one":  {inline: `{"files":{"ignore":[]}}`, now: global},
		"it had one, and loses it":     {now: `{"app@prod:/data":{"files":{"ignore":["x"]}},"(global)":{"files":{"ignore":["*.log"]}}}`},
		"the source's list has all":    {inline: `{"files":{"ignore":["cache","*.tmp","*.log","x"]}}`, now: global},
		"there is no global policy":    {inline: `{"files":{"ignore":["*.bak"]}}`, now: `{}`},
		"the global file gives others": {global: `{"files":{"ignore":["*.o"]}}`, inline: `{"files":{"ignore":["*.bak"]}}`, now: global},
		"the global file names no list": {
			global: `{"retention":{"keepDaily":1}}`, structured: `{"policies":{"files":{"ignore":["*.bak"]}}}`, now: global,
			want: Hidden{Count: 3},
		},
		"the structured policies win over the global file": {
			global: `{"files":{"ignore":["*.o"]}}`, structured: `{"policies":{"files":{"ignore":["*.a"]}}}`, now: global,
			want: Hidden{Count: 1, Rules: []string{"*.o"}},
		},
		"so they do over a Secret's": {
			global: `{"files":{"ignore":["*.o"]}}`, structured: `{"policies":{"files":{"ignore":["*.a"]}}}`, now: global, fromSecret: true,
			want: Hidden{Count: 1},
		},
	} {
		in := Inputs{Source: testSource, FromSecret: tc.fromSecret}
		if tc.global != "" {
			in.Global = parse(t, "global-policy.json", tc.global)
		}
		if tc.structured != "" {
			in.Structured = parse(t, "spec.kopia.policyConfig.repositoryConfig", tc.structured)
		}
		if tc.inline != "" {
			in.Inline = []result.PolicyLayer{{From: "spec.kopia.additionalArgs[0]", Policy: json.RawMessage(tc.inline)}}
		}
		got := Resolve(in, NamesFor(release.Default)).Desired.HiddenIgnoreRules(export(t, tc.now))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
)

func TestForeignActionsAreThoseThatKopiaMayRunForTheSource(t *testing.T) {
	t.Parallel()
	global, err := policy.ParseDocument("global-policy.json", []byte(`{"actions":{"beforeSnapshotRoot":{"script":"sync"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for allowed, own := range map[bool][]string{true: nil, false: {"beforeSnapshotRoot of (global)"}} {
		desired := policy.Resolve(policy.Inputs{Source: "u@h:/data/app", Global: global, AllowActions: allowed}, policy.NamesFor("")).Desired
		if desired.HasActions() != allowed {
			t.Errorf("allowed %v: has actions %v", allowed, desired.HasActions())
		}
		now := policy.Export{}
		for _, target := range []policy.Target{
			"u@h:/", "u@h:/data", "u@h:/data/app", "u@h:/data/app/sub", "u@h", "@h",
			"u@h:/data/apple", "u@h:/data/ap", "u@h:/other", "v@h:/data/app", "u@i:/data/app", "v@h", "@i",
		} {
			now[target] = policy.Object{"actions": map[string]any{"beforeFolder": map[string]any{"script": "x"}, "afterFolder": nil}}
		}
		now[policy.Global] = policy.Object{"actions": map[string]any{"beforeSnapshotRoot": map[string]any{"script": "old"}, "afterSnapshotRoot": map[string]any{}}}
		want := slices.Concat(own, []string{
			"beforeFolder of @h", "beforeFolder of u@h", "beforeFolder of u@h:/", "beforeFolder of u@h:/data",
			"beforeFolder of u@h:/data/app", "beforeFolder of u@h:/data/app/sub",
		})
		var got []string
		for _, a := range desired.ForeignActions(now) {
			got = append(got, a.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("allowed %v: foreign actions (-want +got):\n%s", allowed, diff)
		}
	}
}

func TestScheduledIsWhatKopiaCannotMarkAsManual(t *testing.T) {
	t.Parallel()
	desired := policy.Resolve(policy.Inputs{Source: "u@h:/data"}, policy.NamesFor("")).Desired
	for stored, want := range map[string]bool{
		`{}`: false, `{"manual":true}`: false, `{"manual":true,"intervalSeconds":0,"noParentTimeOfDay":false}`: false,
		`{"intervalSeconds":3600}`: true, `{"timeOfDay":[{"hour":1,"min":2}]}`: true, `{"cron":["0 * * * *"]}`: true,
		`{"runMissed":false}`: true, `{"noParentTimeOfDay":true}`: true,
	} {
		now, err := policy.ParseExport([]byte(`{"u@h:/data":{"scheduling":` + stored + `},"(global)":{"scheduling":{"intervalSeconds":60}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := desired.Scheduled(now); got != want {
			t.Errorf("%s: %v, want %v", stored, got, want)
		}
	}
}

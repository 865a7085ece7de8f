package plan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

func claimTemplate() plan.Template {
	return plan.Template{
		"metadata": map[string]any{
			"name":   "copy",
			"labels": map[string]any{"fromStep": "2", "field": "metadata.uid"},
			"ownerReferences": []any{
				map[string]any{"uid": map[string]any{"fromStep": int64(2), "field": "metadata.uid"}},
			},
		},
		"spec": map[string]any{"size": map[string]any{"fromStep": int64(3), "field": "status.restoreSize", "atLeast": "20Gi"}},
	}
}

func TestFillPutsTheLargerSizeAndLeavesLabelsAlone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ restoreSize, want string }{
		"a larger snapshot counts":         {"21Gi", "21Gi"},
		"a smaller snapshot does not":      {"10Gi", "20Gi"},
		"units do not matter":              {"30000Mi", "30000Mi"},
		"an equal one is as good":          {"20Gi", "20Gi"},
		"a driver that reports no size":    {"", "20Gi"},
		"zero, which some drivers report":  {"0", "20Gi"},
		"decimal units are compared right": {"21G", "20Gi"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got, err := claimTemplate().Fill(func(r plan.Ref) (string, error) {
				if r.Field == "status.restoreSize" {
					return c.restoreSize, nil
				}
				return "u-1", nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"metadata": map[string]any{
					"name":            "copy",
					"labels":          map[string]any{"fromStep": "2", "field": "metadata.uid"},
					"ownerReferences": []any{map[string]any{"uid": "u-1"}},
				},
				"spec": map[string]any{"size": c.want},
			}
			if diff := cmp.Diff(want, got.Object); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFillWorksOnATemplateThatTravelledAsJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(claimTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var back plan.Template
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if got := len(back.Refs()); got != 2 {
		t.Errorf("found %d references, want 2", got)
	}
}

func TestFillNamesTheHoleThatCannotBeFilled(t *testing.T) {
	t.Parallel()
	gone := errors.New("the object is gone")
	_, err := claimTemplate().Fill(func(plan.Ref) (string, error) { return "", gone })
	if !errors.Is(err, gone) || !strings.Contains(err.Error(), "of step") {
		t.Errorf("got %v", err)
	}
	_, err = claimTemplate().Fill(func(plan.Ref) (string, error) { return "no quantity", nil })
	if err == nil || !strings.Contains(err.Error(), "no quantity") {
		t.Errorf("a bad size: got %v", err)
	}
}

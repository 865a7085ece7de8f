package plan_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

func TestFactsSurviveWritingAndReading(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		first, err := plan.ParseFacts(readFile(t, filepath.Join(goldenDir, name, "facts.yaml")))
		if err != nil {
			t.Fatal(err)
		}
		data, err := first.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := plan.ParseFacts(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := second.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(data), string(again)); diff != "" {
			t.Errorf("%s (-first +second):\n%s", name, diff)
		}
	}
}

func TestParseFactsRefuses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ data, want string }{
		"a misspelt fact":       {"apiVersion: volsync-kopia/v1\nkind: Facts\nnamespace: {name: a}\nclaimz: []\n", "claimz"},
		"another kind":          {"apiVersion: volsync-kopia/v1\nkind: Plan\nnamespace: {name: a}\n", `"Plan"`},
		"another version":       {"apiVersion: volsync-kopia/v9\nkind: Facts\nnamespace: {name: a}\n", "v9"},
		"text that is not YAML": {"\t:", "reading facts"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := plan.ParseFacts([]byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

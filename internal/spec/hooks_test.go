package spec_test

import (
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

func TestHookTarget(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]spec.HookTarget{
		"pod/postgres-0":            {Kind: spec.KindPod, Name: "postgres-0"},
		"po/postgres-0:db":          {Kind: spec.KindPod, Name: "postgres-0", Container: "db"},
		"deploy/wiki":               {Kind: spec.KindDeployment, Name: "wiki"},
		"deployment/wiki.v2:php":    {Kind: spec.KindDeployment, Name: "wiki.v2", Container: "php"},
		"":                          {},
		"postgres-0":                {},
		"sts/postgres":              {},
		"pod/":                      {},
		"pod/a:":                    {},
		"pod/a/b":                   {},
		"pod/Postgres":              {},
		"deploy/wiki:php:fpm":       {},
		"pods/postgres-0 --now":     {},
		"deployments/wiki:php\nfpm": {},
	} {
		got, err := spec.Hooks{In: in}.Target()
		if got != want || (err != nil) != (want == spec.HookTarget{}) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestHookLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 5 * time.Minute, "90s": 90 * time.Second, "0s": 0, "-1m": 0, "soon": 0} {
		got, err := spec.Hooks{Timeout: text}.Limit()
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

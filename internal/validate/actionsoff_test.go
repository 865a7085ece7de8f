package validate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

func TestActionsThatTheManifestItselfTurnsOff(t *testing.T) {
	t.Parallel()
	const (
		off      = "info VK318 spec.kopia.actions"
		action   = "actions: {beforeSnapshot: sync}, "
		inFile   = "policyConfig: {configMapName: p, globalPolicyFilename: g, repositoryConfigFilename: r}"
		inSecret = "policyConfig: {secretName: p, globalPolicyFilename: g, repositoryConfigFilename: r}"
	)
	object := func(kind, field, config string) string {
		return "---\napiVersion: v1\nkind: " + kind + "\nmetadata: {name: p, namespace: prod}\n" + field + ": {g: '{}', r: '" + config + "'}\n"
	}
	both := func(structured string) string {
		return `policyConfig: {configMapName: p, globalPolicyFilename: g, repositoryConfigFilename: r, repositoryConfig: '` + structured + `'}`
	}
	warn := validate.Options{PolicyErrors: result.PolicyErrorsWarn}
	for sentence, c := range map[string]struct {
		text string
		opts validate.Options
		want []string
	}{
		"inline":                      {source(action + `policyConfig: {repositoryConfig: '{"enableActions": false}'}`), validate.Options{}, []string{off}},
		"in a ConfigMap":              {source(action+inFile) + object("ConfigMap", "data", `{"enableActions": false}`), validate.Options{}, []string{off}},
		"in a Secret":                 {source(action+inSecret) + object("Secret", "stringData", `{"enableActions": false}`), validate.Options{}, []string{off}},
		"the after-action too":        {source("actions: {afterSnapshot: sync}, "+inFile) + object("ConfigMap", "data", `{"enableActions": false}`), validate.Options{}, []string{off}},
		"no actions":                  {source(inFile) + object("ConfigMap", "data", `{"enableActions": false}`), validate.Options{}, nil},
		"turned on":                   {source(action+inFile) + object("ConfigMap", "data", `{"enableActions": true}`), validate.Options{}, nil},
		"inline wins, on":             {source(action+both(`{"enableActions": true}`)) + object("ConfigMap", "data", `{"enableActions": false}`), validate.Options{}, nil},
		"inline wins, off":            {source(action+both(`{"enableActions": false}`)) + object("ConfigMap", "data", `{"enableActions": true}`), validate.Options{}, []string{off}},
		"inline silent, file decides": {source(action+both(`{}`)) + object("ConfigMap", "data", `{"enableActions": false}`), validate.Options{}, []string{off}},
		"a broken file is not used": {
			source(action+inFile) + object("ConfigMap", "data", `{"enableActions": false, "uploadSpeed": -1}`), warn, []string{"warning VK303 r /uploadSpeed"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, codes(t, c.text, c.opts)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

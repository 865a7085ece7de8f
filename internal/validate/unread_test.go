package validate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// A value of a Secret or ConfigMap that stands there is not missing, and a variable
// that is not set is not judged by its name.
func TestWhatCannotBeReadHasOneError(t *testing.T) {
	t.Parallel()
	object := func(kind, name, data string) string {
		return "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: prod}\n" + data + "\n---\n"
	}
	const place = `KOPIA_REPOSITORY: "filesystem:///x"`
	for _, c := range []struct{ text, want string }{
		{object("Secret", "kopia-config", "stringData: {KOPIA_PASSWORD: 12345, "+place+"}") + source(""), `VK109 stringData.KOPIA_PASSWORD`},
		{object("Secret", "kopia-config", "data: {KOPIA_PASSWORD: '%'}\nstringData: {"+place+"}") + source(""), `VK118 data.KOPIA_PASSWORD`},
		{object("Secret", "kopia-config", "stringData: {KOPIA_PASSWORD: '${NOPE}', "+place+"}") + source(""), `VK120 stringData.KOPIA_PASSWORD`},
		{object("Secret", "kopia-config", "data: {KOPIA_REPOSITORY: '%'}\nstringData: {KOPIA_PASSWORD: x}") + source(""), `VK118 data.KOPIA_REPOSITORY`},
		{object("Secret", "kopia-config", "stringData: [a]") + source(""), `VK109 stringData`},
		{object("Secret", "ca", "data: {ca.crt: '%'}") + source("customCA: {secretName: ca, key: ca.crt}"), `VK118 data["ca.crt"]`},
		{object("ConfigMap", "p", "data: {a.json: 5, repository.config: '{}'}") + source("policyConfig: {configMapName: p, globalPolicyFilename: a.json}"), `VK109 data["a.json"]`},
		{object("ConfigMap", "p", "data: {a.json: '{\"${NOPE}', repository.config: '{}'}") + source("policyConfig: {configMapName: p, globalPolicyFilename: a.json}"), `VK120 data["a.json"]`},
		{source(`compression: "${NOPE}"`), "VK120 spec.kopia.compression"},
		{source(`compression: "${NOPE"`), "VK121 spec.kopia.compression"},
		{source(`copyMethod: "${NOPE}"`), "VK120 spec.kopia.copyMethod"},
		{source(`parallelism: "${NOPE}"`), "VK120 spec.kopia.parallelism"},
		{source(`cacheCapacity: "${NOPE}"`), "VK120 spec.kopia.cacheCapacity"},
		{source(`additionalArgs: ["${NOPE}"]`), "VK120 spec.kopia.additionalArgs[0]"},
		{source(`moverPodLabels: {a: "${NOPE} x"}`), "VK120 spec.kopia.moverPodLabels.a"},
		{source(`customCA: {secretName: "${NOPE}", key: a}`), "VK120 spec.kopia.customCA.secretName"},
		{source(`policyConfig: {configMapName: "${NOPE}", globalPolicyFilename: a}`), "VK120 spec.kopia.policyConfig.configMapName"},
		{source(`sourcePath: "../${NOPE}"`), "VK120 spec.kopia.sourcePath"},
		{source(`repositoryPVC: "${NOPE}"`), "VK120 spec.kopia.repositoryPVC"},
		{source(`parallelism: "4"`), "VK109 spec.kopia.parallelism"},
		{source(`retain: {daily: "7"}`), "VK109 spec.kopia.retain.daily"},
	} {
		set, problems := spec.Parse([]spec.Input{{Name: "in.yaml", Data: []byte(c.text)}}, spec.Options{
			Envsubst: true, Lookup: func(string) (string, bool) { return "", false },
		})
		var got []string
		for _, p := range append(problems, validate.Set(set, validate.Options{})...) {
			if p.Severity != problem.Info {
				got = append(got, p.Code+" "+p.Path)
			}
		}
		if diff := cmp.Diff([]string{c.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

package validate_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// codes judges a text and returns "severity code path" of each problem.
func codes(t *testing.T, text string, opts validate.Options) []string {
	t.Helper()
	set, problems := spec.Parse([]spec.Input{{Name: "in.yaml", Data: []byte(text)}}, spec.Options{})
	var got []string
	for _, p := range append(problems, validate.Set(set, opts)...) {
		got = append(got, fmt.Sprintf("%s %s %s", p.Severity, p.Code, p.Path))
	}
	return got
}

func source(kopia string) string {
	return "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: app, namespace: prod}\nspec:\n  sourcePVC: data\n  kopia: {repository: kopia-config, " + kopia + "}\n"
}

func TestCompressionDependsOnTheVersionOfKopia(t *testing.T) {
	t.Parallel()
	lz4 := source("compression: lz4")
	if got := codes(t, lz4, validate.Options{KopiaVersion: "0.22.3"}); got != nil {
		t.Errorf("0.22.3: %v", got)
	}
	want := []string{"error VK132 spec.kopia.compression"}
	if diff := cmp.Diff(want, codes(t, lz4, validate.Options{KopiaVersion: "0.23.1"})); diff != "" {
		t.Errorf("0.23.1 (-want +got):\n%s", diff)
	}
}

// The nearest of the parallel variants is the one with the nearest number, in the
// field and in the argument; what is like no name gets the list.
func TestTheNearestCompressionIsNamed(t *testing.T) {
	t.Parallel()
	for kopia, want := range map[string]string{
		"compression: s2-parallel-16":                      `did you mean "s2-parallel-8"?`,
		`additionalArgs: ["--compression=s2-parallel-16"]`: `the nearest is "s2-parallel-8"`,
		"compression: quick":                               `"quick" is not a compression that kopia 0.22.3 knows`,
	} {
		set, _ := spec.Parse([]spec.Input{{Name: "in.yaml", Data: []byte(source(kopia))}}, spec.Options{})
		problems := validate.Set(set, validate.Options{})
		if len(problems) != 1 || !strings.HasSuffix(problems[0].Message, want) || problems[0].Fix == "" {
			t.Errorf("%s: %+v, want %s", kopia, problems, want)
		}
	}
}

// The same name as an argument becomes the same policy.
func TestAnArgumentsCompressionDependsOnTheVersionOfKopia(t *testing.T) {
	t.Parallel()
	const translated = "info VK205 spec.kopia.additionalArgs[0]"
	lz4 := source(`additionalArgs: ["--compression=lz4"]`)
	if diff := cmp.Diff([]string{translated}, codes(t, lz4, validate.Options{KopiaVersion: "0.22.3"})); diff != "" {
		t.Errorf("0.22.3 (-want +got):\n%s", diff)
	}
	want := []string{translated, "error VK316 spec.kopia.additionalArgs[0]"}
	if diff := cmp.Diff(want, codes(t, lz4, validate.Options{KopiaVersion: "0.23.1"})); diff != "" {
		t.Errorf("0.23.1 (-want +got):\n%s", diff)
	}
}

// A hundred thousand of them are one mistake, and not a minute's work.
func TestManyArgumentsAreNotJudgedOneByOne(t *testing.T) {
	t.Parallel()
	text := source("additionalArgs: [" + strings.Repeat("--none, ", 100_000) + "--none]")
	got := codes(t, text, validate.Options{})
	if len(got) != 201 || got[0] != "error VK169 spec.kopia.additionalArgs" {
		t.Errorf("%d problems, the first %s", len(got), got[0])
	}
}

func TestSchedulesThatACronJobRunsAreFine(t *testing.T) {
	t.Parallel()
	for _, schedule := range []string{"@daily", "@midnight", "@hourly", "@weekly", "@monthly", "@yearly", "@annually", "0 0 * * SUN", "0 2 * * 1,3-5", "*/15 * * * *", "0 0 29 2 *"} {
		text := strings.Replace(source("compression: zstd"), "spec:\n", fmt.Sprintf("spec:\n  trigger: {schedule: %q}\n", schedule), 1)
		if got := codes(t, text, validate.Options{}); got != nil {
			t.Errorf("%s: %v", schedule, got)
		}
	}
}

func TestObjectsAbove1MiBAreRefused(t *testing.T) {
	t.Parallel()
	const megabyte = 1 << 20
	for kind, field := range map[string]string{"ConfigMap": "data", "Secret": "stringData"} {
		text := func(n int) string {
			return fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata: {name: big}\n%s:\n  a: %s\n", kind, field, strings.Repeat("x", n))
		}
		if got := codes(t, text(megabyte), validate.Options{}); got != nil {
			t.Errorf("%s of 1 MiB: %v", kind, got)
		}
		if diff := cmp.Diff([]string{"error VK142 "}, codes(t, text(megabyte+1), validate.Options{})); diff != "" {
			t.Errorf("%s above 1 MiB (-want +got):\n%s", kind, diff)
		}
	}
}

func TestReferencesFindTheObjectOfTheRightNamespace(t *testing.T) {
	t.Parallel()
	configMap := func(namespace, key string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: policies, namespace: %q}\ndata: {%s: '{}', repository.config: '{}'}\n", namespace, key)
	}
	reads := source("policyConfig: {configMapName: policies, globalPolicyFilename: mine.json}")
	missing := []string{"error VK139 spec.kopia.policyConfig.globalPolicyFilename"}
	for sentence, c := range map[string]struct {
		text string
		want []string
	}{
		"no such object in the input":       {reads, nil},
		"the one of the namespace":          {reads + configMap("test", "other") + configMap("prod", "mine.json"), nil},
		"another namespace is another one":  {reads + configMap("test", "other"), nil},
		"one without a namespace fits":      {reads + configMap("", "other"), missing},
		"its own namespace is preferred":    {reads + configMap("", "other") + configMap("prod", "mine.json"), nil},
		"the object may stand in front":     {strings.TrimPrefix(configMap("prod", "other"), "---\n") + "---\n" + reads, missing},
		"a reader without a namespace fits": {strings.Replace(reads, ", namespace: prod", "", 1) + configMap("prod", "other"), missing},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, codes(t, c.text, validate.Options{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFileThatManySourcesShareIsJudgedOnce(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: policies}\ndata: {global-policy.json: '{oops', repository.config: '{}'}\n")
	for _, name := range []string{"a", "b", "c"} {
		text.WriteString("---\n" + strings.Replace(source("policyConfig: {configMapName: policies}"), "name: app", "name: "+name, 1))
	}
	if diff := cmp.Diff([]string{"error VK301 global-policy.json"}, codes(t, text.String(), validate.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each code that is documented for this package is given by some case: a rule
// without a case is a rule that nobody has seen working.
func TestEveryDocumentedRuleHasACase(t *testing.T) {
	t.Parallel()
	given := map[string]bool{
		"VK132": true, "VK142": true, "VK174": true, "VK175": true, // in this file
		"VK140": true, // TestADefaultFileMayBeAbsent
	}
	for _, name := range cases(t, invalidCases) {
		for _, p := range judgeDir(t, filepath.Join(invalidCases, name), validate.Options{}).Problems {
			given[p.Code] = true
		}
	}
	var missing []string
	for _, c := range problem.Codes() {
		if c.ID >= "VK123" && c.ID <= "VK199" && !given[c.ID] {
			missing = append(missing, c.ID)
		}
	}
	if missing != nil {
		t.Errorf("no case gives %v; given are %v", missing, slices.Sorted(maps.Keys(given)))
	}
}

func TestADefaultFileMayBeAbsent(t *testing.T) {
	t.Parallel()
	text := source("policyConfig: {configMapName: policies}") +
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: policies}\ndata: {global-policy.json: '{}'}\n"
	if diff := cmp.Diff([]string{"info VK140 spec.kopia.policyConfig.configMapName"}, codes(t, text, validate.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// One text cannot be both a policy and a repository configuration.
func TestTheTwoPolicyFilesHaveTwoNames(t *testing.T) {
	t.Parallel()
	const at = "error VK173 spec.kopia.policyConfig."
	for config, want := range map[string][]string{
		"globalPolicyFilename: a.json, repositoryConfigFilename: a.json": {at + "repositoryConfigFilename"},
		"globalPolicyFilename: repository.config":                        {at + "globalPolicyFilename"},
		"repositoryConfigFilename: global-policy.json":                   {at + "repositoryConfigFilename"},
		"globalPolicyFilename: a.json":                                   nil,
	} {
		for _, mode := range []result.PolicyErrorMode{result.PolicyErrorsFail, result.PolicyErrorsWarn} {
			got := codes(t, source("policyConfig: {secretName: policies, "+config+"}"), validate.Options{PolicyErrors: mode})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", config, mode, diff)
			}
		}
	}
}

func TestSourcesThatMayMeetInOneLineOfSnapshots(t *testing.T) {
	t.Parallel()
	two := func(a, b string) string {
		named := func(name, kopia string) string {
			return strings.Replace(source("username: app, "+kopia), "name: app", "name: "+name, 1)
		}
		return named("a", a) + "---\n" + named("b", b)
	}
	for what, c := range map[string]struct{ a, b, want string }{
		"an override with a slash at its end":        {"sourcePathOverride: /srv/wiki", "sourcePathOverride: /srv/wiki/", "are recorded as app@prod:/srv/wiki,"},
		"an override and a directory":                {"sourcePathOverride: /data/x", "sourcePath: x", "are recorded as app@prod:/data/x,"},
		"with and without the mount path":            {"sourcePath: important", "sourcePath: /data/important", "may be recorded as app@prod:/data/important,"},
		"both with the mount path, told once":        {"sourcePath: /data/a", "sourcePath: /data/a/", "may be recorded as app@prod:/data/a,"},
		"the mount path and a directory of its name": {"sourcePath: /data/x", "sourcePath: data/x", "may be recorded as app@prod:/data/data/x,"},
		"an override takes the choice away":          {"sourcePath: x", "sourcePath: /data/x, sourcePathOverride: /y", ""},
		"two directories":                            {"sourcePath: x", "sourcePath: y", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			set, problems := spec.Parse([]spec.Input{{Name: "in.yaml", Data: []byte(two(c.a, c.b))}}, spec.Options{})
			var told []string
			for _, p := range append(problems, validate.Set(set, validate.Options{})...) {
				if p.Code == "VK146" {
					told = append(told, p.Message)
				}
			}
			if c.want == "" && told != nil || c.want != "" && (len(told) != 1 || !strings.Contains(told[0], c.want)) {
				t.Errorf("%q, want one with %q", told, c.want)
			}
		})
	}
}

// A manifest that says two places would have one of them silently ignored.
func TestTheManifestSaysOnePlaceForTheRepository(t *testing.T) {
	t.Parallel()
	const (
		s3    = `policyConfig: {repositoryConfig: '{"storage": {"type": "s3", "config": {"bucket": "b"}}}'}`
		pvc   = "repositoryPVC: backups, "
		claim = "moverVolumes: [{mountPath: x, volumeSource: {persistentVolumeClaim: {claimName: c}}}], "
	)
	directory := func(path string) string {
		return fmt.Sprintf(`policyConfig: {repositoryConfig: '{"storage": {"type": "filesystem", "config": {"path": "%s"}}}'}`, path)
	}
	for kopia, want := range map[string][]string{
		pvc + s3:                            {"error VK174 spec.kopia.repositoryPVC"},
		claim + s3:                          {"error VK174 spec.kopia.moverVolumes[0]"},
		pvc + directory("/mnt/x"):           {"error VK174 spec.kopia.repositoryPVC"},
		claim + directory("/mnt/xyz"):       {"error VK174 spec.kopia.moverVolumes[0]"},
		pvc + directory("/kopia/elsewhere"): nil,
		claim + directory("/mnt/x/kopia"):   nil,
		claim + directory("/mnt/x"):         nil,
		pvc + "compression: zstd":           nil,
		s3:                                  nil,
	} {
		if diff := cmp.Diff(want, codes(t, source(kopia), validate.Options{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kopia, diff)
		}
	}
}

// What the API server would refuse in the mover's pod is known before a run begins.
func TestWhatNoPodCanHave(t *testing.T) {
	t.Parallel()
	const volume = "moverVolumes: [{mountPath: x, volumeSource: "
	for kopia, want := range map[string][]string{
		`moverPodLabels: {team: data, example.com/tier: ""}`:                                        nil,
		`moverPodLabels: {"a b": x}`:                                                                {`error VK175 spec.kopia.moverPodLabels["a b"]`},
		`moverPodLabels: {team: "data base"}`:                                                       {`error VK175 spec.kopia.moverPodLabels["team"]`},
		`moverResources: {requests: {cpu: 2}, limits: {cpu: 1}}`:                                    {"error VK163 spec.kopia.moverResources.requests.cpu"},
		`moverResources: {requests: {cpu: 1}, limits: {memory: 200Gi}}`:                             nil,
		volume + "{persistentVolumeClaim: {}}}]":                                                    {"error VK153 spec.kopia.moverVolumes[0].volumeSource.persistentVolumeClaim"},
		volume + "{secret: {}}}]":                                                                   {"error VK153 spec.kopia.moverVolumes[0].volumeSource.secret"},
		volume + "{nfs: {server: s, path: x}}}]":                                                    {"error VK153 spec.kopia.moverVolumes[0].volumeSource.nfs"},
		volume + "{nfs: {server: s, path: /x}}}]":                                                   nil,
		`policyConfig: {repositoryConfig: '{"policies": {"upload": {"maxParallelSnapshots": 2}}}'}`: {"warning VK317 policyConfig.repositoryConfig /policies/upload/maxParallelSnapshots"},
	} {
		if diff := cmp.Diff(want, codes(t, source(kopia), validate.Options{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kopia, diff)
		}
	}
}

// JSON has no largest number, and a policy document is anybody's text.
func TestNumbersOutOfAllBoundsAreWrongValues(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"1e2000000", "-1e2000000", "1e999999999999", "1e-2000000", "1" + strings.Repeat("0", 400)} {
		text := source(fmt.Sprintf("policyConfig: {repositoryConfig: '{\"policies\": {\"retention\": {\"keepLatest\": %s}}}'}", number))
		want := []string{"error VK303 policyConfig.repositoryConfig /policies/retention/keepLatest"}
		if number == "1e-2000000" {
			want = nil // nothing but 0
		}
		if diff := cmp.Diff(want, codes(t, text, validate.Options{})); diff != "" {
			t.Errorf("%.20s (-want +got):\n%s", number, diff)
		}
	}
}

// What cannot be read has one problem, the parser's: nobody wrote a zero.
func TestWhatCannotBeReadIsNotJudged(t *testing.T) {
	t.Parallel()
	for field, code := range map[string]string{
		"cacheCapacity: abc": "VK114", "contentCacheSizeLimitMB: 99999999999": "VK109", "metadataCacheSizeLimitMB: none": "VK109", "capacity: []": "VK109",
	} {
		name, _, _ := strings.Cut(field, ":")
		if diff := cmp.Diff([]string{"error " + code + " spec.kopia." + name}, codes(t, source(field), validate.Options{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

// A field that stands in the manifest is not missing, whatever stands in it; what it is
// in is not judged for the lack of it.
func TestWhatCannotBeReadIsNotMissing(t *testing.T) {
	t.Parallel()
	manifest := func(kind, spec string) string {
		return "apiVersion: volsync.backube/v1alpha1\nkind: " + kind + "\nmetadata: {name: app, namespace: prod}\nspec: " + spec + "\n"
	}
	const s, d, m = "ReplicationSource", "ReplicationDestination", "KopiaMaintenance"
	for _, c := range []struct{ kind, spec, path string }{
		{s, "{sourcePVC: {a: b}, kopia: {repository: r}}", "spec.sourcePVC"},
		{s, "{sourcePVC: c, kopia: {repository: [r]}}", "spec.kopia.repository"},
		{s, "{sourcePVC: c, kopia: text}", "spec.kopia"},
		{s, "text", "spec"},
		{s, "{sourcePVC: c, kopia: {repository: r, customCA: {secretName: x, key: [a]}}}", "spec.kopia.customCA.key"},
		{s, "{sourcePVC: c, kopia: {repository: r, customCA: {secretName: [x], key: a}}}", "spec.kopia.customCA.secretName"},
		{s, "{sourcePVC: c, kopia: {repository: r, moverVolumes: [{mountPath: [x], volumeSource: {nfs: {server: a, path: /}}}]}}", "spec.kopia.moverVolumes[0].mountPath"},
		{s, "{sourcePVC: c, kopia: {repository: r, moverVolumes: [{mountPath: x, volumeSource: {secret: {secretName: [a]}}}]}}", "spec.kopia.moverVolumes[0].volumeSource.secret.secretName"},
		{s, "{sourcePVC: c, kopia: {repository: r, policyConfig: {configMapName: [a], globalPolicyFilename: x}}}", "spec.kopia.policyConfig.configMapName"},
		{d, "{kopia: {repository: 5, destinationPVC: c}}", "spec.kopia.repository"},
		{d, "{kopia: {repository: r, destinationPVC: {a: b}}}", "spec.kopia.destinationPVC"},
		{d, "{kopia: {repository: r, destinationPVC: c, username: [a], hostname: h}}", "spec.kopia.username"},
		{d, "{kopia: {repository: r, destinationPVC: c, sourceIdentity: {sourceName: 1}}}", "spec.kopia.sourceIdentity.sourceName"},
		{m, "{repository: {repository: 5}}", "spec.repository.repository"},
		{m, "{repository: text}", "spec.repository"},
	} {
		if diff := cmp.Diff([]string{"error VK109 " + c.path}, codes(t, manifest(c.kind, c.spec), validate.Options{})); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.kind, c.spec, diff)
		}
	}
}

// No text makes validation panic, and every problem can be shown.
func FuzzSet(f *testing.F) {
	f.Add(source("compression: s2, additionalArgs: [--parallel=3]"))
	f.Add(source(`policyConfig: {repositoryConfig: '{"storage": {"type": "s3"}}'}`))
	f.Add("apiVersion: volsync.backube/v1alpha1\nkind: KopiaMaintenance\nmetadata: {name: m}\nspec: {repository: {repository: a}, resources: {requests: {cpu: 1}}}\n")
	f.Add("apiVersion: v1\nkind: Secret\nmetadata: {name: kopia-config}\nstringData: {KOPIA_PASSWORD: x, KOPIA_MANUAL_CONFIG: '{}'}\n---\n" + source("retain: {daily: -1}"))
	f.Fuzz(func(t *testing.T, text string) {
		set, _ := spec.Parse([]spec.Input{{Name: "in.yaml", Data: []byte(text)}}, spec.Options{})
		for _, p := range validate.Set(set, validate.Options{}) {
			if p.Code == "" || p.Message == "" || p.File != "in.yaml" {
				t.Errorf("incomplete problem %+v", p)
			}
		}
	})
}

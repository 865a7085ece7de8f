package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// withStructured is the structured case with another configuration, judged as
// the commands judge it.
func withStructured(t *testing.T, text string, mode result.PolicyErrorMode) plan.Input {
	t.Helper()
	in := load(t, "structured")
	in.Options.PolicyErrors = mode
	in.Document.Source.Spec.Kopia.PolicyConfig.RepositoryConfig = &text
	return in
}

// Where the data goes is no policy with a default to go on with, and a
// credential in a manifest is refused whatever the mode.
func TestInlineStorageAndCredentialsAreRefusedInEveryMode(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ text, code string }{
		"a credential":                     {`{"storage": {"type": "s3", "config": {"bucket": "b", "secretAccessKey": "` + canary + `"}}}`, "VK312"},
		"a credential where nobody looks":  {`{"aws": {"AWS_SECRET_ACCESS_KEY": "` + canary + `"}}`, "VK312"},
		"a credential at an ignored place": {`{"throttlingLimits": {"password": "` + canary + `"}}`, "VK312"},
		"a password in an address":         {`{"storage": {"type": "webdav", "config": {"url": "https://u:` + canary + `@h/"}}}`, "VK312"},
		"a backend that does not exist":    {`{"storage": {"type": "s4", "config": {"bucket": "` + canary + `"}}}`, "VK305"},
		"storage that is no object":        {`{"storage": "` + canary + `"}`, "VK303"},
		"a misspelt part of the storage":   {`{"storage": {"type": "s3", "confg": {"bucket": "` + canary + `"}}}`, "VK302"},
		"text that is not JSON":            {`{"storage": {"type": "s3", "config": {"bucket": "` + canary + `",}}}`, "VK301"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []result.PolicyErrorMode{result.PolicyErrorsFail, result.PolicyErrorsWarn} {
				in := withStructured(t, c.text, mode)
				judged := validate.Set(in.Set, validate.Options{PolicyErrors: mode})
				if !slices.Contains(codesOf(judged, problem.Error), c.code) {
					t.Errorf("%s: validate gives %v", mode, judged)
				}
				p, findings := plan.BuildBackup(in)
				if !slices.Contains(codesOf(findings, problem.Error), c.code) || p.Task != nil || len(p.Steps) > 0 {
					t.Errorf("%s: not refused: %v", mode, findings)
				}
				data, err := p.JSON()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(data)+textOf(t, p), canary) {
					t.Errorf("%s: the plan holds it:\n%s", mode, data)
				}
			}
		})
	}
}

// What the run does not use does not travel: nobody has looked at its values.
func TestADroppedConfigurationIsNotInTheTask(t *testing.T) {
	t.Parallel()
	in := withStructured(t, `{"storage": {"type": "s3", "config": {"bucket": "b"}}, "unheardOf": "`+canary+`"}`, result.PolicyErrorsWarn)
	p, findings := plan.BuildBackup(in)
	if p.Task == nil {
		t.Fatal(findings)
	}
	data, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), canary) || p.Task.Policy.Structured != nil {
		t.Errorf("the text travels:\n%s", data)
	}
	if p.Task.Repository.Storage.Type() != "s3" {
		t.Errorf("the place of the repository is lost: %+v", p.Task.Repository)
	}
	want := []string{`policyConfig.repositoryConfig:1:56: "unheardOf" is not a key that kopia or the documentation page knows here`}
	if diff := cmp.Diff(want, p.Task.Policy.StructuredErrors); diff != "" {
		t.Errorf("the mover is not told why (-want +got):\n%s", diff)
	}
}

// A structured filesystem storage may be a directory of the claim that holds the
// repository; it used to be ignored for the root of the claim.
func TestAStructuredDirectoryOfTheClaimIsUsed(t *testing.T) {
	t.Parallel()
	volume := spec.MoverVolume{MountPath: "backups", VolumeSource: spec.MoverVolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"},
	}}
	for what, c := range map[string]struct {
		pvc, dir, want string
	}{
		"repositoryPVC":                       {"c", "/kopia/elsewhere", "/kopia/elsewhere"},
		"moverVolumes":                        {"", "/mnt/backups/kopia", "/mnt/backups/kopia"},
		"another directory, which is refused": {"", "/mnt/backups2", "/mnt/backups"},
		"the same of a repositoryPVC":         {"c", "/kopia2", "/kopia/repository"},
	} {
		in := withStructured(t, `{"storage": {"type": "filesystem", "config": {"path": "`+c.dir+`"}}}`, result.PolicyErrorsFail)
		kopia := in.Document.Source.Spec.Kopia
		kopia.MoverVolumes = []spec.MoverVolume{volume}
		if c.pvc != "" {
			kopia.RepositoryPVC = &c.pvc
		}
		in.Facts.Claims = append(in.Facts.Claims, plan.Claim{Name: "c"})
		p, findings := plan.BuildBackup(in)
		if p.Task == nil {
			t.Fatalf("%s: %v", what, findings)
		}
		if got := p.Task.Repository.Storage.Filesystem; got == nil || got.Path != c.want {
			t.Errorf("%s: %+v, want %s", what, got, c.want)
		}
	}
}

// What validation has said of a field in its own words is not said again.
func TestAFieldIsToldOfOnce(t *testing.T) {
	t.Parallel()
	in := load(t, "structured")
	in.Document.Source.Spec.Kopia.Compression = "s2"
	in.Findings = validate.Set(in.Set, validate.Options{})
	_, findings := plan.BuildBackup(in)
	var told []string
	for _, f := range findings {
		if strings.HasPrefix(f.Path, "spec.kopia.compression") {
			told = append(told, f.Code+" "+f.Path)
		}
	}
	if diff := cmp.Diff([]string{"VK131 spec.kopia.compression"}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

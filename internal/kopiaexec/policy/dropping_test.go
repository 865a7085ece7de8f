package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// droppedOf lists "name: codes" of each document that was left out.
func droppedOf(dropped []Dropped) []string {
	var out []string
	for _, d := range dropped {
		words := []string{d.Document.Name() + ":"}
		for _, n := range d.Errors {
			words = append(words, n.Code)
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func TestADocumentWithAnErrorIsLeftOutWholeAndTheRestIsUsed(t *testing.T) {
	t.Parallel()
	in := Inputs{
		Source:           testSource,
		Global:           parse(t, "global-policy.json", `{"retention": {"keepDaily": "7"}, "files": {"ignore": ["*.tmp"]}}`),
		RepositoryConfig: parse(t, "repository.config", `{"uploadSpeed": 1000}`),
		Structured:       parse(t, "structured", `{"storage": {"type": "s3", "config": {"bucket": "b"}}, "policies": {"retention": {"keepHourly": -1}}}`),
		Inline:           []result.PolicyLayer{{From: "spec.kopia.retain", Policy: []byte(`{"retention": {"keepLatest": 3}}`)}},
	}
	out, dropped := ResolveDropping(in, NamesFor(release.Default))
	if diff := cmp.Diff([]string{"global-policy.json: VK303", "structured: VK303"}, droppedOf(dropped)); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if hasErrors(out.Notes) || out.Limits.UploadBytesPerSecond != 1000 || len(out.Desired.Values(testSource)) != 1 {
		t.Errorf("the rest is not used: %+v", out)
	}
	if len(out.Desired.Values(Global)) != 0 {
		t.Errorf("a part of the broken file is used: %+v", out.Desired.Values(Global))
	}
	if out.Storage == nil {
		t.Error("the place of the repository is no policy, and has gone with them")
	}
}

// One ConfigMap key for both files is one text under two grammars: only what
// cannot be used is left out, and the search for it ends.
func TestTwoDocumentsOfOneNameAreToldApart(t *testing.T) {
	t.Parallel()
	const name, text = "mine.json", `{"uploadSpeed": 1000}`
	in := Inputs{Source: testSource, Global: parse(t, name, text), RepositoryConfig: parse(t, name, text)}
	out, dropped := ResolveDropping(in, NamesFor(release.Default))
	if len(dropped) != 1 || dropped[0].Document != in.Global {
		t.Fatalf("left out: %v", droppedOf(dropped))
	}
	if out.Limits.UploadBytesPerSecond != 1000 {
		t.Errorf("the repository configuration went too: %+v", out)
	}
}

func TestFinalErrorsAreNeverLeftOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"storage": "s3"}`:                                                          "VK303 /storage",
		`{"storage": {"type": "s4", "config": {}}}`:                                  "VK305 /storage/type",
		`{"storage": {"type": "s3", "configuration": {}}}`:                           "VK302 /storage/configuration",
		`{"storage": {"type": "s3", "config": {"secretAccessKey": "x"}}}`:            "VK312 /storage/config/secretAccessKey",
		`{"storage": {"type": "s3", "config": {}, "password": "x"}}`:                 "VK312 /storage/password",
		`{"storage": {"type": "webdav", "config": {"url": "https://u:p@host/dav"}}}`: "VK312 /storage/config/url",
		`{"s3": {"AWS_SECRET_ACCESS_KEY": "x"}}`:                                     "VK312 /s3/AWS_SECRET_ACCESS_KEY",
		`{"throttlingLimits": {"list": [{"password": "x"}]}}`:                        "VK312 /throttlingLimits/list/0/password",
	} {
		out, dropped := ResolveDropping(Inputs{Structured: parse(t, "structured", text)}, NamesFor(release.Default))
		final := slices.ContainsFunc(out.Notes, func(n Note) bool {
			return n.Final && n.Severity == problem.Error && n.Code+" "+n.Pointer == want
		})
		if !final || dropped != nil || out.Storage != nil {
			t.Errorf("%s: left out %v, storage %s, notes %+v; want the final %s", text, droppedOf(dropped), out.Storage, out.Notes, want)
		}
	}
}

func TestAnErrorOfTheManifestsOwnFieldsStays(t *testing.T) {
	t.Parallel()
	in := Inputs{Source: testSource, Inline: []result.PolicyLayer{{From: "spec.kopia.retain", Policy: []byte(`{"retention": {"keepDaily": -1}}`)}}}
	out, dropped := ResolveDropping(in, NamesFor(release.Default))
	if dropped != nil || !hasErrors(out.Notes) {
		t.Errorf("left out %v, notes %+v", droppedOf(dropped), out.Notes)
	}
}

// A policy file is softened whole: what it says of storage or credentials is
// for nobody, and Secrets hold them.
func TestErrorsOfPolicyFilesAreNotFinal(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"storage": {"type": "s4"}}`, `{"password": "x"}`} {
		_, dropped := ResolveDropping(Inputs{RepositoryConfig: parse(t, "repository.config", text)}, NamesFor(release.Default))
		if len(dropped) != 1 {
			t.Errorf("%s: left out %v", text, droppedOf(dropped))
		}
	}
}

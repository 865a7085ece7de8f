package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const kopiaSource = policy.Target("app@prod:/data")

// Kopia's import is strict in keys and types, so what it takes and gives back
// unchanged is right in both; a second run must find nothing to do.
func TestRealKopiaTakesAndKeepsEveryTranslation(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		repository := kopiatest.NewRepository(t, kopia, filepath.Join(t.TempDir(), "repository"), "password")
		repository.Create(t)
		names := policy.NamesFor(kopiaVersion(t, repository))
		dirs, err := filepath.Glob("testdata/resolve/*")
		if err != nil || len(dirs) == 0 {
			t.Fatalf("no cases: %v", err)
		}
		// All cases go in by one import: each has a source of its own, and its
		// global policy stands in for that of a user.
		all := policy.Export{}
		var cases []realCase
		for i, dir := range append(dirs, "every key of kopia's own") {
			c := realCase{name: dir, source: policy.Target(fmt.Sprintf("case%d@prod:/data", i)), user: policy.Target(fmt.Sprintf("case%d@prod", i))}
			in := inputs(t, dir)
			in.Source = c.source
			c.desired = policy.Resolve(in, names).Desired
			for target, object := range c.desired.Diff(policy.Export{}).Import {
				if target == policy.Global {
					target = c.user
				}
				all[target] = object
			}
			cases = append(cases, c)
		}
		importAll(t, repository, all)
		after := exported(t, repository)
		for _, c := range cases {
			if again := c.desired.Diff(policy.Export{policy.Global: after[c.user], c.source: after[c.source]}); len(again.Import) > 0 {
				t.Errorf("%s: a second import is needed: %+v", c.name, again.Changes)
			}
		}
	})
}

type realCase struct {
	name         string
	source, user policy.Target
	desired      policy.Desired
}

// The source's policy gets scheduling.manual from kopia itself, and rules of a
// manifest must be what a snapshot sees. A source's own ignore list hides the
// global one ("*.log" here): kopia does not add them up.
func TestRealKopiaShowsTheEffectivePolicy(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		repository := kopiatest.NewRepository(t, kopia, filepath.Join(t.TempDir(), "repository"), "password")
		repository.Create(t)
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "f"), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		desired := policy.Resolve(inputs(t, "testdata/resolve/inline-over-files"), policy.NamesFor(release.Default)).Desired
		importAll(t, repository, desired.Diff(exported(t, repository)).Import)
		repository.Run(t, "snapshot", "create", data, "--override-source="+string(kopiaSource))
		now := exported(t, repository)
		if scheduling, ok := now[kopiaSource]["scheduling"].(map[string]any); !ok || scheduling["manual"] != true {
			t.Fatalf("kopia no longer marks the source as manual: %v", now[kopiaSource])
		}
		if again := desired.Diff(now); len(again.Import) > 0 {
			t.Errorf("a snapshot alone makes an import necessary: %+v", again.Changes)
		}
		var shown struct {
			Retention   struct{ KeepHourly, KeepDaily int }
			Compression struct{ CompressorName string }
			Files       struct{ Ignore []string }
		}
		if err := json.Unmarshal([]byte(repository.Run(t, "policy", "show", string(kopiaSource), "--json")), &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Retention.KeepHourly != 48 || shown.Retention.KeepDaily != 20 || shown.Compression.CompressorName != "s2-default" ||
			strings.Join(shown.Files.Ignore, " ") != "a b c d" {
			t.Errorf("kopia would use %+v", shown)
		}

		// The manual mark must survive a later change of the same policy.
		changed := policy.Resolve(policy.Inputs{Source: kopiaSource, Inline: []result.PolicyLayer{
			{From: "spec.kopia.retain", Policy: json.RawMessage(`{"retention":{"keepDaily":1}}`)},
		}}, policy.NamesFor(release.Default)).Desired
		importAll(t, repository, changed.Diff(now).Import)
		last := exported(t, repository)[kopiaSource]
		if scheduling, ok := last["scheduling"].(map[string]any); !ok || scheduling["manual"] != true {
			t.Errorf("the manual mark is gone: %v", last)
		}
		if files, ok := last["files"].(map[string]any); !ok || len(files) != 0 {
			t.Errorf("rules that left the manifest stay: %v", last)
		}
	})
}

func inputs(t *testing.T, dir string) policy.Inputs {
	t.Helper()
	in := policy.Inputs{Source: kopiaSource}
	if _, err := os.Stat(dir); err != nil {
		in.AllowActions = true
		in.Global = document(t, []byte(`{
			"retention":{"keepLatest":1,"keepHourly":0,"keepDaily":2,"keepWeekly":3,"keepMonthly":4,"keepAnnual":5,"ignoreIdenticalSnapshots":true},
			"compression":{"compressorName":"pgzip","onlyCompress":["a"],"noParentOnlyCompress":true,"neverCompress":["b"],"noParentNeverCompress":true,"minSize":1,"maxSize":2},
			"metadataCompression":{"compressorName":"s2-better"},
			"files":{"ignore":[],"noParentIgnore":true,"ignoreDotFiles":[],"noParentDotFiles":true,"ignoreCacheDirs":false,"maxFileSize":0,"oneFileSystem":false},
			"errorHandling":{"ignoreFileErrors":true,"ignoreDirectoryErrors":false,"ignoreUnknownTypes":true},
			"splitter":{"algorithm":"FIXED-1M"},
			"upload":{"maxParallelSnapshots":2,"maxParallelFileReads":3,"parallelUploadAboveSize":0},
			"logging":{"directories":{"snapshotted":0,"ignored":2},"entries":{"snapshotted":3,"ignored":4,"cacheHit":5,"cacheMiss":10}},
			"osSnapshots":{"volumeShadowCopy":{"enable":2}},
			"actions":{"beforeSnapshotRoot":{"path":"/bin/true","args":["<&>"],"timeout":0,"mode":"async"},"afterFolder":{"script":"x","timeout":3.0}},
			"noParent":true}`))
		return in
	}
	for name, into := range map[string]**policy.Document{"global-policy.json": &in.Global, "structured.json": &in.Structured, "manual.json": &in.Manual} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			*into = document(t, data)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "inline.json")); err == nil {
		if err := json.Unmarshal(data, &in.Inline); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func document(t *testing.T, data []byte) *policy.Document {
	t.Helper()
	doc, err := policy.ParseDocument("test", data)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func exported(t *testing.T, repository *kopiatest.Repository) policy.Export {
	t.Helper()
	export, err := policy.ParseExport([]byte(repository.Run(t, "policy", "export")))
	if err != nil {
		t.Fatal(err)
	}
	return export
}

func importAll(t *testing.T, repository *kopiatest.Repository, export policy.Export) {
	t.Helper()
	data, err := export.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policies.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	repository.Run(t, "policy", "import", "--from-file="+file)
}

func kopiaVersion(t *testing.T, repository *kopiatest.Repository) string {
	t.Helper()
	words := strings.Fields(repository.Run(t, "--version"))
	if len(words) == 0 {
		t.Fatal("kopia says no version")
	}
	return words[0]
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestEveryKeyOfBothSpellings(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		// kopia's own
		`{"retention":{"keepLatest":0,"keepHourly":1,"keepDaily":2,"keepWeekly":3,"keepMonthly":4,"keepAnnual":5,"ignoreIdenticalSnapshots":true}}`:                              "",
		`{"compression":{"compressorName":"pgzip","onlyCompress":["a"],"noParentOnlyCompress":true,"neverCompress":["b"],"noParentNeverCompress":true,"minSize":1,"maxSize":2}}`: "",
		`{"metadataCompression":{"compressorName":"zstd-fastest"}}`: "",
		`{"files":{"ignore":["a"],"noParentIgnore":true,"ignoreDotFiles":["b"],"noParentDotFiles":true,"ignoreCacheDirs":false,"maxFileSize":1,"oneFileSystem":false}}`: "",
		`{"errorHandling":{"ignoreFileErrors":true,"ignoreDirectoryErrors":false,"ignoreUnknownTypes":true}}`:                                                           "",
		`{"splitter":{"algorithm":"FIXED-1M"}}`:                                                                                         "",
		`{"upload":{"maxParallelSnapshots":1,"maxParallelFileReads":2,"parallelUploadAboveSize":0}}`:                                    "",
		`{"logging":{"directories":{"snapshotted":1,"ignored":2},"entries":{"snapshotted":3,"ignored":4,"cacheHit":5,"cacheMiss":10}}}`: "",
		`{"osSnapshots":{"volumeShadowCopy":{"enable":2}},"noParent":true}`:                                                             "",
		// the documentation page's
		`{"retention":{"keepYearly":3}}`:                                    `{"retention":{"keepAnnual":3}}`,
		`{"retention":{"keepYearly":3,"keepAnnual":3.0}}`:                   `{"retention":{"keepAnnual":3}}`,
		`{"compression":{"compressor":"zstd"}}`:                             `{"compression":{"compressorName":"zstd"}}`,
		`{"compression":{"compressor":"deflate"}}`:                          `{"compression":{"compressorName":"deflate-default"}}`,
		`{"files":{"dotIgnoreFiles":[".x"],"ignoreCacheDirectories":true}}`: `{"files":{"ignoreCacheDirs":true,"ignoreDotFiles":[".x"]}}`,
		`{"files":{"ignoreDeleted":true}}`:                                  `{}`,
		`{"scheduling":{"uploadParallelism":4,"downloadParallelism":2}}`:    `{"upload":{"maxParallelFileReads":4}}`,
		`{"scheduling":{"interval":"1h","intervalSeconds":1,"timeOfDay":[{"hour":1,"min":2}],"noParentTimeOfDay":true,"manual":true,"cron":["* * * * *"],"runMissed":true}}`: `{}`,
		`{"splitter":{"algorithm":"DYNAMIC","minSize":1,"maxSize":2}}`:                                          `{"splitter":{"algorithm":"DYNAMIC"}}`,
		`{"actions":{"beforeSnapshotRoot":null,"afterSnapshotRoot":null,"beforeFolder":{},"afterFolder":null}}`: `{}`,
		`{"encryption":{"algorithm":"x","deriveKey":true}}`:                                                     `{}`,
		`{"retention":null,"files":{"ignore":null}}`:                                                            `{}`,
		`{"retention":{"keepDaily":1e1}}`:                                                                       `{"retention":{"keepDaily":10}}`,
	} {
		if want == "" {
			want = input
		}
		got, notes := translate(parse(t, "p.json", input), NamesFor(release.Default), false)
		if hasErrors(notes) {
			t.Errorf("%s: %+v", input, notes)
		}
		wanted := parse(t, "w.json", want).root
		if !equal(got, wanted) {
			t.Errorf("%s: got %s, want %s", input, text(got), want)
		}
	}
}

func TestLevelsBecomeNamedVariants(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"zstd -5": "zstd-fastest", "zstd 0": "zstd", "zstd 1": "zstd-fastest", "zstd 2": "zstd-fastest", "zstd 3": "zstd", "zstd 4": "zstd",
		"zstd 5": "zstd-better-compression", "zstd 8": "zstd-better-compression", "zstd 9": "zstd-best-compression", "zstd 22": "zstd-best-compression",
		"gzip -1": "gzip", "gzip 0": "none", "gzip 1": "gzip-best-speed", "gzip 6": "gzip", "gzip 9": "gzip-best-compression",
		"pgzip 9": "pgzip-best-compression", "deflate 1": "deflate-best-speed", "deflate 6": "deflate-default", "deflate 9": "deflate-best-compression",
		"s2 1": "s2-default", "s2 3": "s2-better", "lz4 9": "lz4", "none 3": "none", "zstd-fastest 9": "zstd-fastest",
	} {
		name, level, _ := strings.Cut(input, " ")
		doc := parse(t, "p.json", fmt.Sprintf(`{"compression":{"compressor":%q,"compressionLevel":%s}}`, name, level))
		got, notes := translate(doc, NamesFor(release.Default), false)
		if !equal(got["compression"], map[string]any{"compressorName": want}) {
			t.Errorf("%s: got %s, want %s", input, text(got), want)
		}
		if !slices.ContainsFunc(notes, func(n Note) bool { return n.Code == "VK308" && strings.Contains(n.Message, want) }) {
			t.Errorf("%s: no note says %s: %+v", input, want, notes)
		}
	}
}

func TestFaultsAreNamedAndLeftOut(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{"retention":{"keepDaily":true}}`:                              "VK303 /retention/keepDaily",
		`{"retention":{"keepDaily":-0.5}}`:                              "VK303 /retention/keepDaily",
		`{"retention":{"keepDaily":99999999999}}`:                       "VK303 /retention/keepDaily",
		`{"retention":{"keepDaily":1e999999999}}`:                       "VK303 /retention/keepDaily",
		`{"retention":7}`:                                               "VK303 /retention",
		`{"files":{"oneFileSystem":"true"}}`:                            "VK303 /files/oneFileSystem",
		`{"files":{"ignore":"*.tmp"}}`:                                  "VK303 /files/ignore",
		`{"files":{"maxFileSize":-1}}`:                                  "VK303 /files/maxFileSize",
		`{"compression":{"compressor":5}}`:                              "VK303 /compression/compressor",
		`{"compression":{"compressor":"inherit"}}`:                      "VK305 /compression/compressor",
		`{"compression":{"compressor":"ZSTD"}}`:                         "VK305 /compression/compressor",
		`{"compression":{"compressorName":"zstd","compressor":"gzip"}}`: "VK304 /compression/compressorName",
		`{"compression":{"compressionLevel":3}}`:                        "VK308 /compression/compressionLevel",
		`{"logging":{"entries":{"ignored":11}}}`:                        "VK303 /logging/entries/ignored",
		`{"actions":{"beforeFolder":"sync"}}`:                           "VK303 /actions/beforeFolder",
		`{"actions":{"beforeFolder":{"scripts":"sync"}}}`:               "VK302 /actions/beforeFolder/scripts",
		`{"keepDaily":3}`:                                               "VK302 /keepDaily",
		`{"Retention":{}}`:                                              "VK302 /Retention",
	} {
		got, notes := translate(parse(t, "p.json", input), NamesFor(release.Default), true)
		if len(notes) != 1 || notes[0].Code+" "+notes[0].Pointer != want || notes[0].Line != 1 || notes[0].Column < 2 {
			t.Errorf("%s: got %+v, want %s", input, notes, want)
		}
		if compression, ok := got["compression"].(map[string]any); len(got) > 0 && (!ok || len(compression) != 1) {
			t.Errorf("%s: kept %s", input, text(got))
		}
	}
}

func TestLZ4IsBrokenFrom023On(t *testing.T) {
	t.Parallel()
	for version, code := range map[string]string{"0.21.1": "", "0.22.3": "", "v0.22.9": "", "0.23.0": "VK316", "0.23.1": "VK316", "0.23": "VK316", "0.30.0": "VK316", "1.0.0": "VK316", "": ""} {
		_, notes := translate(parse(t, "p.json", `{"compression":{"compressor":"lz4"}}`), NamesFor(version), false)
		got := ""
		if len(notes) > 0 {
			got = notes[0].Code
		}
		if got != code {
			t.Errorf("%s: %q, want %q", version, got, code)
		}
	}
}

func TestActionsNeedTheCallersWord(t *testing.T) {
	t.Parallel()
	doc := parse(t, "p.json", `{"actions":{"beforeSnapshotRoot":{"path":"/bin/sync","args":["-f"],"timeout":30,"mode":"essential","script":""}}}`)
	dropped, notes := translate(doc, NamesFor(""), false)
	if len(dropped) != 0 || len(notes) != 1 || notes[0].Code != "VK311" || notes[0].Severity != problem.Warning {
		t.Errorf("without the word: %s %+v", text(dropped), notes)
	}
	kept, notes := translate(doc, NamesFor(""), true)
	want := `{"actions":{"beforeSnapshotRoot":{"args":["-f"],"mode":"essential","path":"/bin/sync","timeout":30}}}`
	if text(kept) != want || len(notes) != 1 || notes[0].Severity != problem.Info {
		t.Errorf("with the word: %s %+v", text(kept), notes)
	}
}

func TestRepositorySettings(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{"actionCommandTimeout":"0s"}`:    "VK303 /actionCommandTimeout",
		`{"actionCommandTimeout":-3}`:      "VK303 /actionCommandTimeout",
		`{"actionCommandTimeout":"5 min"}`: "VK303 /actionCommandTimeout",
		`{"uploadSpeed":"10MB"}`:           "VK303 /uploadSpeed",
		`{"uploadSpeed":-1}`:               "VK303 /uploadSpeed",
		`{"eccOverheadPercent":101}`:       "VK303 /eccOverheadPercent",
		`{"hashingAlgorithm":"BLAKE2"}`:    "VK305 /hashingAlgorithm",
		`{"encryptionAlgorithm":"AES256"}`: "VK305 /encryptionAlgorithm",
		`{"uploadSpeeed":1}`:               "VK302 /uploadSpeeed",
		`{"retention":{}}`:                 "VK302 /retention",
	} {
		r := Resolve(Inputs{RepositoryConfig: parse(t, "c", input)}, NamesFor(release.Default))
		if !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Code+" "+n.Pointer == want && n.Severity == problem.Error }) {
			t.Errorf("%s: got %+v, want %s", input, r.Notes, want)
		}
	}
	r := Resolve(Inputs{
		RepositoryConfig: parse(t, "c", `{"uploadSpeed":1,"downloadSpeed":2,"actionCommandTimeout":90,"enableActions":true}`),
		Structured:       parse(t, "s", `{"uploadSpeed":3,"enableActions":false,"maintenance":{"owner":"a@b","enabled":false}}`),
	}, NamesFor(release.Default))
	if diff := cmp.Diff(result.Limits{UploadBytesPerSecond: 3, DownloadBytesPerSecond: 2}, r.Limits); diff != "" || r.ActionTimeout != 90*time.Second || *r.EnableActions {
		t.Errorf("the structured configuration is above the file: %+v", r)
	}
	if r.Maintenance.Owner != "a@b" || r.Maintenance.Enabled == nil || *r.Maintenance.Enabled {
		t.Errorf("maintenance: %+v", r.Maintenance)
	}
}

func TestCredentialsOfEveryBackendAreRefused(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		`{"accessKeyID":"canary"}`, `{"secretAccessKey":"canary"}`, `{"sessionToken":"canary"}`, `{"storageKey":"canary"}`,
		`{"sasToken":"canary"}`, `{"ClientSecret":"canary"}`, `{"clientCertificate":"canary"}`, `{"key":"canary"}`, `{"keyID":"canary"}`,
		`{"password":"canary"}`, `{"keyData":"canary"}`, `{"credentials":{"a":"canary"}}`, `{"embeddedConfig":"canary"}`,
		`{"rcloneEnv":["A=canary"]}`, `{"url":"https://u:canary@h/p"}`, `{"deep":[{"Password":"canary"}]}`,
		`{"endpoint":"u:canary@h:9000"}`, `{"remotePath":":sftp,host=h,pass=canary:x"}`,
	} {
		r := Resolve(Inputs{Structured: parse(t, "s", `{"storage":{"type":"s3","config":`+config+`}}`)}, NamesFor(""))
		credentials := slices.DeleteFunc(slices.Clone(r.Notes), func(n Note) bool { return n.Code == codeUnknownKey })
		if len(credentials) != 1 || credentials[0].Code != "VK312" || r.Storage != nil || strings.Contains(fmt.Sprint(r.Notes), "canary") {
			t.Errorf("%s: %+v %s", config, r.Notes, r.Storage)
		}
	}
	for _, storage := range []string{
		`{"type":"webdav","config":{"password":"","url":"https://u@h"}}`,
		`{"type":"webdav","config":{"url":"https://dav.example.com:8443/files/me@example.com"}}`,
		`{"type":"rclone","config":{"remotePath":"r:dir,pass=1"}}`,
	} {
		r := Resolve(Inputs{Structured: parse(t, "s", `{"storage":`+storage+`}`)}, NamesFor(""))
		if len(r.Notes) != 0 || r.Storage == nil {
			t.Errorf("%s holds no credential: %+v", storage, r.Notes)
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		codeSyntax, codeUnknownKey, codeWrongValue, codeClash, codeUnknownName, codeRenamed, codeMeaningless, codeLevel, codeElsewhere,
		codeCreationOnly, codeActions, codeCredential, codeSchedule, codeIdentity, codeManaged, codeBroken, codeWrongTarget,
	} {
		if c, ok := problem.Lookup(code); !ok || c.Meaning == "" || c.Example == "" || c.Fix == "" {
			t.Errorf("%s is not documented", code)
		}
	}
}

func TestNameTablesAreComplete(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"0.21.1": "0.21.1", "0.22.3": "0.22.3", "0.22.0": "0.22.3", "v0.23.9": "0.23.1", "0.99.0": "0.22.3", "odd": "0.22.3", "": "0.22.3"} {
		if got := chooseTable(version); got != want {
			t.Errorf("%q: table %s, want %s", version, got, want)
		}
		n := NamesFor(version)
		if !slices.Contains(n.Compressors, "zstd") || slices.Contains(n.Compressors, "inherit") || !slices.Contains(n.Splitters, "FIXED-4M") ||
			!slices.Contains(n.Hashes, "BLAKE2B-256-128") || len(n.Encryptions) == 0 || len(n.ECCs) == 0 {
			t.Errorf("%q: %+v", version, n)
		}
	}
}

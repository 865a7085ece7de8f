package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// effective checks the effective policy of one target, the limits, and no more.
func effective(target string, want, limits values) func(*testing.T, *world, []result.Result, ended) {
	return succeeded(func(t *testing.T, w *world, _ []result.Result) {
		t.Helper()
		w.checkPolicy(t, target, want)
		if limits != nil {
			w.checkLimits(t, limits)
		}
	})
}

// policyRows are the manifests about policies in fields and files. Every wanted
// value differs from kopia's default, so that it can only come from the manifest.
func policyRows() []row {
	diary := "diary@home:/data"
	return []row{
		{file: "13-retain.yaml", check: effective(diary, values{
			"retention.keepHourly": 12, "retention.keepDaily": 9, "retention.keepWeekly": 6,
			"retention.keepMonthly": 18, "retention.keepAnnual": 4, "retention.keepLatest": 33,
		}, nil)},
		{file: "14-compression.yaml", check: effective(diary, values{"compression.compressorName": "zstd"}, nil)},
		{
			file: "15-actions.yaml", findings: []string{"warning VK145"}, says: []string{"mysqldump"}, flags: []string{"--run-actions"},
			prepare: func(t *testing.T, w *world) {
				t.Helper()
				w.program(t, "mysqldump", "echo dumped-before-the-snapshot")
			},
			check: checkActions("dumped-before-the-snapshot", "after-the-snapshot"),
		},
		{file: "16-policy-configmap.yaml", findings: []string{"warning VK308"}, says: []string{"compressionLevel"}, rules: []string{
			"--ignore-dir-errors=true",
		}, check: effective("", values{
			"retention.keepDaily": 11, "retention.keepWeekly": 5, "retention.keepAnnual": 8, "retention.keepMonthly": 7,
			"compression.compressorName": "zstd", "files.ignore": []string{".cache", "*.bak"}, "files.ignoreDotFiles": []string{".nobackup"},
			"files.maxFileSize": 1 << 30, "upload.maxParallelFileReads": 4,
			"errorHandling.ignoreFileErrors": true, "errorHandling.ignoreDirectoryErrors": false,
		}, values{"maxUploadSpeedBytesPerSecond": 10485760, "maxDownloadSpeedBytesPerSecond": 20971520})},
		{
			file: "17-policy-secret.yaml", findings: []string{"info VK310", "warning VK308"},
			says: []string{"encryptionAlgorithm", "compressionLevel"}, hides: []string{"a-pattern-nobody-may-see"},
			check: effective("", values{
				"retention.keepHourly": 13, "retention.keepAnnual": 8,
				"compression.compressorName": "gzip-best-compression", "files.ignore": []string{"a-pattern-nobody-may-see"},
			}, nil),
		},
		{
			file: "19-20-every-key.yaml", fresh: true, findings: []string{"info VK309", "info VK310", "warning VK306", "warning VK308"},
			says:  []string{"compressionLevel", "downloadParallelism", "encryptionAlgorithm", "hashingAlgorithm", "eccOverheadPercent"},
			check: checkEveryKey,
		},
		{file: "20-action-timeout.yaml", findings: []string{"info VK140"}, flags: []string{"--run-actions"}, check: checkActionTimeout},
		{
			file: "21-file-and-inline.yaml", findings: []string{"warning VK308"}, flags: []string{"--run-actions"},
			check: func(t *testing.T, w *world, results []result.Result, e ended) {
				t.Helper()
				checkActions("the backup begins", "the backup has ended")(t, w, results, e)
				w.checkPolicy(t, "shop@live:/data", values{
					"retention.keepHourly": kept{48}, "retention.keepDaily": 15, "retention.keepAnnual": 5, "upload.maxParallelFileReads": 8,
				})
				w.checkPolicy(t, "", values{"retention.keepHourly": 24, "files.oneFileSystem": true})
				w.checkLimits(t, values{"maxUploadSpeedBytesPerSecond": 104857600})
				checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=4"}, nil)
				checkProvenance(t, w)
			},
		},
		{file: "25-compliance.yaml", findings: []string{"info VK140"}, rules: []string{
			"--add-ignore=*.old", "--ignore-file-errors=true", "--ignore-dir-errors=true",
		}, check: effective("", values{
			"files.ignore": nil, "files.oneFileSystem": true, "errorHandling.ignoreFileErrors": false, "errorHandling.ignoreDirectoryErrors": false,
			"retention.keepDaily": 45, "retention.keepMonthly": 30, "retention.keepAnnual": 999,
		}, nil)},
		{
			file: "27-two-environments.yaml", findings: []string{"info VK140", "info VK306", "warning VK307", "warning VK308"},
			says: []string{"ignoreDeleted", "compressionLevel"}, check: checkTwoEnvironments,
		},
		{file: "28-file-names.yaml", check: effective("", values{"retention.keepDaily": 17}, nil)},
		{file: "32-manual-config.yaml", findings: []string{"warning VK180"}, notRun: "a Secret alone"},
		{
			file: "32-manual-config-used.yaml", findings: []string{"warning VK180"},
			check: effective("music@home:/data", values{"compression.compressorName": "zstd"}, nil),
		},
		{file: "38-finance.yaml", flags: []string{"--run-actions"}, findings: []string{"warning VK307", "warning VK308"}, says: []string{
			"encryption", "auditLog", "requireTwoFactorAuth", "ignoreDeleted",
		}, hides: []string{"nobody-may-see-whose-salary"}, check: effective("", values{
			"retention.keepDaily": 300, "retention.keepAnnual": 999, "compression.compressorName": "zstd-best-compression", "files.oneFileSystem": true,
		}, values{"maxUploadSpeedBytesPerSecond": 52428800})},
		{file: "39-development.yaml", flags: []string{"--run-actions"}, findings: []string{"info VK318"}, check: func(t *testing.T, w *world, results []result.Result, e ended) {
			t.Helper()
			effective("", values{"retention.keepDaily": 5, "retention.keepWeekly": 2}, values{"maxUploadSpeedBytesPerSecond": 5242880})(t, w, results, e)
			checkActionsOff(t, w, e, "dev-settings.json")
		}},
		{file: "45-invalid-json.yaml", fresh: true, exit: 3, findings: []string{"error VK301", "info VK140"}, check: checkInvalidJSON},
	}
}

// checkEveryKey: policies, limits, and what is decided at creation.
func checkEveryKey(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	effective("", values{
		"retention.keepLatest": 9, "retention.keepHourly": 36, "retention.keepDaily": 20, "retention.keepWeekly": 7,
		"retention.keepMonthly": 14, "retention.keepAnnual": 6, "compression.compressorName": "zstd",
		"files.ignore": []string{"*.part", "~*", "Thumbs.db"}, "files.ignoreDotFiles": []string{".nobackup", ".gitignore"},
		"files.oneFileSystem": true, "files.maxFileSize": 2147483648, "errorHandling.ignoreFileErrors": true,
		"errorHandling.ignoreDirectoryErrors": kept{false}, "errorHandling.ignoreUnknownTypes": kept{true}, // 36-enterprise.yaml changes them
		"actions.beforeSnapshotRoot": kept{nil}, "actions.afterSnapshotRoot": kept{nil},
		"upload.maxParallelFileReads": 4, "splitter.algorithm": "DYNAMIC-4M-BUZHASH",
	}, values{"maxUploadSpeedBytesPerSecond": 52428800, "maxDownloadSpeedBytesPerSecond": 104857600})(t, w, results, e)
	checkValues(t, "repository", w.asMover(t, "repository", "status", "--json"), values{
		"contentFormat.ecc": "REED-SOLOMON-CRC32", "contentFormat.eccOverheadPercent": 2,
		"contentFormat.hash": "BLAKE3-256", "contentFormat.encryption": "CHACHA20-POLY1305-HMAC-SHA256",
	})
	checkKopiaRunsNoActions(t, w)
	checkPlannedSettings(t, w.planned(t, "19-20-every-key.yaml"), map[string]string{
		"enableActions": "true from repository.config", "actionCommandTimeout": "10m from repository.config",
	})
}

// planned is the plan of another run of the row.
func (w *world) planned(t *testing.T, file string) plan.Plan {
	t.Helper()
	manifest := filepath.Join("testdata", file)
	e := w.run(t, append([]string{"plan", "-o", "json", "--source-dir", w.volume},
		w.local(append([]string{manifest}, missingSecrets(t, w, manifest)...)...)...)...)
	var planned plan.Plan
	if err := json.Unmarshal([]byte(e.stdout), &planned); err != nil {
		t.Fatalf("exit %d: %v\n%s", e.code, err, e.stderr)
	}
	return planned
}

// checkPlannedSettings wants "VALUE from DOCUMENT" of each setting.
func checkPlannedSettings(t *testing.T, planned plan.Plan, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, s := range planned.Settings.Values {
		got[s.Name] = s.Value + " from " + s.From
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("the plan says of %s: %q, want %q", name, got[name], text)
		}
	}
}

// checkProvenance: the plan says which layer each value comes from.
func checkProvenance(t *testing.T, w *world) {
	t.Helper()
	got := map[string]string{}
	for _, target := range w.planned(t, "21-file-and-inline.yaml").Policy {
		for _, value := range target.Values {
			got[target.Target+" "+value.Path] = value.After + " from " + value.From
		}
	}
	for where, want := range map[string]string{
		"shop@live:/data retention.keepHourly": "48 from spec.kopia.retain",
		"(global) retention.keepHourly":        "24 from global-policy.json",
		"(global) upload.maxParallelFileReads": "8 from global-policy.json",
	} {
		if got[where] != want {
			t.Errorf("the plan says of %s: %q, want %q", where, got[where], want)
		}
	}
}

// checkInvalidJSON: refused for people; with --policy-errors=warn the documented
// lines and a snapshot.
func checkInvalidJSON(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	if e.code != 3 || len(results) != 1 || results[0].Outcome != result.Refused || !strings.Contains(e.stderr, "45-invalid-json.yaml:6:6 ") || !strings.Contains(e.stderr, "Invalid JSON") {
		t.Errorf("exit %d, %d results\n%s%s", e.code, len(results), e.stdout, e.stderr)
	}
	if left, err := os.ReadDir(w.repo.Dir); err != nil || len(left) > 0 {
		t.Errorf("something was written: %v, %v", left, err)
	}
	w.extra = []string{"--policy-errors=warn"}
	results, e = w.backup(t, "testdata/45-invalid-json.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "home")))
	succeeded(func(*testing.T, *world, []result.Result) {})(t, w, results, e)
	checkWarned(t, results[0], []string{"VK427"})
	var block []string
	for line := range strings.SplitSeq(e.stderr, "\n") {
		line, _, _ = strings.Cut(line, " /") // the directory is the run's own
		if strings.Contains(line, "policy") || strings.Contains(line, "policies") || strings.Contains(line, "Policy") {
			block = append(block, line)
		}
	}
	want := []string{
		"=== Applying policy configuration ===", "Found global policy file:", "ERROR: Invalid JSON in global policy file",
		"Continuing with default policies", "Policy configuration summary: 0 applied, 1 failed",
	}
	got := []string{}
	for _, line := range block {
		for _, w := range want {
			if line == w {
				got = append(got, line)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documented lines (-want +got):\n%s\n%s", diff, e.stderr)
	}
}

// checkTwoEnvironments: one input for two environments. Both runs of the row
// went to one repository, whose policy is then that of the second; with a
// repository of its own each has its own.
func checkTwoEnvironments(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	live := values{
		"retention.keepHourly": 60, "retention.keepDaily": 80, "retention.keepWeekly": 40, "retention.keepMonthly": 50, "retention.keepAnnual": 8,
		"compression.compressorName": "zstd-better-compression", "files.oneFileSystem": true,
	}
	effective("", live, nil)(t, w, results, e)
	w.checkRecorded(t, "site@dev:/data", "site@live:/data")
	first, second, _ := strings.Cut(readFile(t, filepath.Join("testdata", "27-two-environments.yaml")), "---\n# The live one.\n")
	for text, want := range map[string]values{
		first:  {"retention.keepDaily": 2, "retention.keepWeekly": 1, "compression.compressorName": "s2-default", "files.oneFileSystem": kept{nil}},
		second: live,
	} {
		own := newWorld(t, w.kopia)
		own.before = w.before
		own.repo.Seed(t)
		own.write(t, "a-file", "x")
		manifest := own.file(t, "environment.yaml", text)
		own.mustBackup(t, append([]string{manifest}, missingSecrets(t, own, manifest)...)...)
		own.checkPolicy(t, "", want)
	}
}

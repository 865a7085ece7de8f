package acceptance

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// structuredFindings are those of a structured configuration with keys that
// kopia does not have.
func structuredFindings() []string {
	return []string{"info VK309", "warning VK307", "warning VK308", "warning VK315"}
}

// structuredRows are the manifests with policyConfig.repositoryConfig.
func structuredRows() []row {
	return []row{
		{file: "18-structured-s3.yaml", findings: structuredFindings(), says: []string{"@local", "cacheDirectory", "minSize", "maxSize"}, check: checkPlannedStorage("18-structured-s3.yaml", values{
			"task.repository.storage.s3.bucket": "catalogue-backups", "task.repository.storage.s3.prefix": "kopia/",
			"task.repository.storage.s3.endpoint": "s3.example.net", "task.repository.storage.s3.region": "eu-north-1",
			"cache.contentBytes": 2147483648, "cache.metadataBytes": 536870912,
		})},
		{file: "18-structured-filesystem.yaml", fresh: true, findings: structuredFindings(), check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			const target = "catalogue@apps:/data"
			w.checkRecorded(t, target)
			w.checkPolicy(t, target, values{
				"compression.compressorName": "zstd", "retention.keepLatest": 6, "retention.keepDaily": 21, "retention.keepAnnual": 2,
				"upload.maxParallelFileReads": 8, "splitter.algorithm": "DYNAMIC-4M-BUZHASH",
			})
			w.checkPolicy(t, "", values{"retention.keepAnnual": kept{3}, "compression.compressorName": kept{"none"}})
			checkValues(t, "caching", readFile(t, filepath.Join(w.dir, "kopia.config")), values{
				"caching.contentCacheSizeLimitBytes": 2147483648, "caching.metadataCacheSizeLimitBytes": 536870912,
				"username": "catalogue", "hostname": "apps",
			})
			checkValues(t, "maintenance", w.repo.Run(t, "maintenance", "info", "--json"), values{
				"quick.interval": int64(2 * time.Hour), "full.interval": int64(48 * time.Hour), "full.enabled": kept{true}, // of quick.enabled, which the row leaves alone, kopia 0.21 has another default
			})
		})},
		{file: "37-structured-azure.yaml", findings: []string{"warning VK308", "warning VK315"}, check: checkPlannedStorage("37-structured-azure.yaml", values{
			"task.repository.storage.azureBlob.container": "portal", "task.repository.storage.azureBlob.storageAccount": "portalbackups",
			"task.repository.storage.azureBlob.prefix": "kopia/portal/",
		})},
		{
			file: "37-structured-filesystem.yaml", findings: []string{"warning VK308", "warning VK315"}, files: []string{"portal/data/x", "y"},
			check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
				t.Helper()
				const target = "portal@apps:/data/portal/data"
				w.checkRecorded(t, target)
				w.checkPolicy(t, target, values{"retention.keepHourly": 22, "retention.keepDaily": 33, "compression.compressorName": "zstd-better-compression"})
				checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=4"}, nil)
			}),
		},
	}
}

// checkPlannedStorage is for backends that are not on this machine: the plan
// for a cluster names the place, and none of the Secret's credentials, which w.run
// looks for. The row's own run has a Secret for a directory, which is not the
// place that the manifest names: nothing may have been backed up there.
func checkPlannedStorage(file string, want values) func(*testing.T, *world, []result.Result, ended) {
	return func(t *testing.T, w *world, _ []result.Result, ended ended) {
		t.Helper()
		if ended.code != 3 || !strings.Contains(ended.stderr, "VK405") || len(w.repo.Snapshots(t)) > 0 {
			t.Errorf("the run on this machine: exit %d, want 3 and VK405\n%s", ended.code, ended.stderr)
		}
		facts := w.file(t, "facts.yaml", clusterFacts("apps", "catalogue", "portal"))
		secret := w.file(t, "credentials.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: vault, namespace: apps}\nstringData:\n"+
			"  {KOPIA_PASSWORD: "+password+", AWS_ACCESS_KEY_ID: "+password+", AWS_SECRET_ACCESS_KEY: "+password+", AZURE_STORAGE_KEY: "+password+"}\n")
		e := w.run(t, "plan", "-f", filepath.Join("testdata", file), "-f", secret, "--facts", facts, "--mover-image", "registry.example/mover:1", "-o", "json")
		if e.code != 0 {
			t.Fatalf("plan: exit %d\n%s", e.code, e.stderr)
		}
		checkValues(t, "plan", e.stdout, want)
	}
}

// clusterFacts are those of a namespace with bound claims.
func clusterFacts(namespace string, claims ...string) string {
	var text strings.Builder
	text.WriteString("apiVersion: volsync-kopia/v1\nkind: Facts\nnamespace: {name: " + namespace + "}\nclaims:\n")
	for _, claim := range claims {
		text.WriteString("  - {name: " + claim + ", storageClass: plain, accessModes: [ReadWriteOnce], capacity: 1Gi, phase: Bound}\n")
	}
	return text.String() + "storageClasses: [{name: plain, provisioner: csi.example, bindingMode: Immediate, reclaimPolicy: Delete}]\n"
}

// scenarioRows are the page's scenarios.
func scenarioRows() []row {
	return []row{
		{
			file: "22-database.yaml", findings: []string{"warning VK145"}, says: []string{"pg_dump"}, flags: []string{"--run-actions"},
			prepare: func(t *testing.T, w *world) {
				t.Helper()
				w.program(t, "pg_dump", `touch "${2#--file=}"; echo the-dump-is-made`)
			},
			check: func(t *testing.T, w *world, results []result.Result, e ended) {
				t.Helper()
				checkActions("the-dump-is-made", "the-dump-is-kept")(t, w, results, e)
				w.checkPolicy(t, "forum@shop:/data", values{"retention.keepHourly": 20, "retention.keepWeekly": 2, "compression.compressorName": "zstd"})
				w.checkContent(t, results[0], ".") // the dump is in the snapshot
			},
		},
		{file: "23-archive.yaml", check: effective("records@books:/data", values{"retention.keepMonthly": 120, "retention.keepAnnual": 999}, nil)},
		{
			file: "24-development.yaml", findings: []string{"info VK131"},
			check: effective("sandbox@dev:/data", values{"compression.compressorName": "s2-default"}, nil),
		},
		{
			file: "26-fast.yaml", findings: []string{"info VK306", "info VK308", "info VK309", "info VK318"}, flags: []string{"--run-actions"},
			check: func(t *testing.T, w *world, results []result.Result, e ended) {
				t.Helper()
				effective("", values{
					"compression.compressorName": "s2-default", "upload.maxParallelFileReads": 16, "splitter.algorithm": "DYNAMIC-8M-BUZHASH",
				}, values{"maxUploadSpeedBytesPerSecond": 209715200, "maxDownloadSpeedBytesPerSecond": 419430400})(t, w, results, e)
				checkActionsOff(t, w, e, "repository.config")
			},
		},
		{
			file: "36-enterprise.yaml", password: "$(openssl rand -base64 32)", flags: []string{"--run-actions"},
			findings: []string{"info VK309", "info VK310", "warning VK145", "warning VK306", "warning VK307", "warning VK308", "warning VK407"},
			says: []string{
				"literal text of a shell command", "pg_dump", "compressionLevel", "downloadParallelism", "minSize", "maxSize",
				"encryptionAlgorithm", "hashingAlgorithm", "REED-SOLOMON-CRC32", "eccOverheadPercent",
			},
			hides: []string{"openssl rand"}, rules: []string{"--ignore-dir-errors=true", "--ignore-unknown-types=false"},
			prepare: func(t *testing.T, w *world) {
				t.Helper()
				w.program(t, "pg_dump", "echo dumped")
			},
			check: checkEnterprise,
		},
		{
			file: "40-disaster.yaml", flags: []string{"--run-actions"}, warned: []string{"VK420"},
			findings: []string{"info VK309", "warning VK125", "warning VK145", "warning VK308"},
			says:     []string{"kubectl", "mysqldump", "mail"},
			prepare: func(t *testing.T, w *world) {
				t.Helper()
				w.program(t, "kubectl", `echo "scaled $*"`)
				w.program(t, "mail", "cat >/dev/null")
				w.program(t, "mysqldump", "exit 3") // the before-action fails, so there is no snapshot
			},
			check: func(t *testing.T, w *world, _ []result.Result, e ended) {
				t.Helper()
				if e.code != 1 || !strings.Contains(e.stderr, "scaled scale deployment core --replicas=3") {
					t.Errorf("exit %d; the after-action must run also when there is no snapshot:\n%s", e.code, e.stderr)
				}
				w.program(t, "mysqldump", "echo dumped")
				results := w.mustBackup(t, "testdata/40-disaster.yaml", w.file(t, "secret.yaml", repositorySecret("vault", "dr")))
				checkWarned(t, results[0], []string{"VK420"})
				w.checkRecorded(t, "core-systems@dr:/data")
				w.checkContent(t, results[0], ".")
			},
		},
	}
}

// checkEnterprise: all that one ConfigMap can say, on a repository that had
// other rules before.
func checkEnterprise(t *testing.T, w *world, results []result.Result, e ended) {
	t.Helper()
	checkActions("the dump begins", "the dump is removed")(t, w, results, e)
	w.checkPolicy(t, "", values{
		"retention.keepLatest": 8, "retention.keepHourly": 40, "retention.keepDaily": 50, "retention.keepWeekly": 26,
		"retention.keepMonthly": 30, "retention.keepAnnual": 9, "compression.compressorName": "zstd",
		"files.ignore": []string{"*.log", "target/**"}, "files.ignoreDotFiles": []string{".nobackup"},
		"files.oneFileSystem": true, "files.maxFileSize": 4294967296,
		"errorHandling.ignoreFileErrors": true, "errorHandling.ignoreDirectoryErrors": false, "errorHandling.ignoreUnknownTypes": true,
		"upload.maxParallelFileReads": 8, "splitter.algorithm": "DYNAMIC-4M-BUZHASH",
	})
	w.checkLimits(t, values{"maxUploadSpeedBytesPerSecond": 104857600, "maxDownloadSpeedBytesPerSecond": 209715200})
	checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=8"}, nil)
	checkPlannedSettings(t, w.planned(t, "36-enterprise.yaml"), map[string]string{
		"enableActions": "true from repository.config", "actionCommandTimeout": "10m from repository.config",
	})
}

// argumentRows are the manifests with additionalArgs.
func argumentRows() []row {
	cacheDirsAreKept := []string{"--ignore-cache-dirs=false"} // kopia's default is what the argument asks for
	return []row{
		{file: "48-args.yaml", findings: []string{"info VK205", "warning VK211"}, says: []string{"--progress-interval"}, rules: cacheDirsAreKept, check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			w.checkPolicy(t, "tuned@apps:/data", values{"files.oneFileSystem": true, "files.ignoreCacheDirs": true})
			w.checkPolicy(t, "", values{"files.oneFileSystem": kept{nil}, "files.ignoreCacheDirs": kept{false}})
			checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=16"}, []string{"--one-file-system", "--ignore-cache-dirs", "--progress-interval"})
		})},
		{file: "49-args-performance.yaml", findings: []string{"info VK205", "warning VK207", "warning VK211"}, says: []string{"--read-buffer-size", "uploads everything"}, check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			w.checkPolicy(t, "big-files@apps:/data", values{"splitter.algorithm": "FIXED-4M"})
			checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=16", "--no-progress"}, []string{"--progress", "--block-size", "--read-buffer-size"})
		})},
		{file: "50-args-exclusions.yaml", findings: []string{"info VK205"}, files: []string{
			"keep", "x.log", "tmp/y", "z.tmp", "deep/thumbnails/t", "cache/CACHEDIR.TAG", "cache/c",
		}, rules: cacheDirsAreKept, prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.write(t, "cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55")
		}, check: succeeded(func(t *testing.T, w *world, results []result.Result) {
			t.Helper()
			w.checkPolicy(t, "lean@apps:/data", values{"files.ignore": []string{"/tmp/", "*.log", "*.tmp", "thumbnails"}, "files.ignoreCacheDirs": true})
			// Of a cache directory kopia keeps the tag alone.
			got := slices.Sorted(maps.Keys(kopiatest.Entries(t, w.repo.Restore(t, results[0].Snapshot.ID))))
			if diff := cmp.Diff([]string{"cache", "deep", "keep"}, got); diff != "" {
				t.Errorf("what is not ignored (-want +got):\n%s", diff)
			}
		})},
		{file: "51-args-bandwidth.yaml", findings: []string{"info VK205"}, check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			w.checkLimits(t, values{"maxUploadSpeedBytesPerSecond": 10000000})
		})},
		{file: "52-args-complete.yaml", findings: []string{"info VK205", "warning VK207", "warning VK211"}, rules: cacheDirsAreKept, check: succeeded(func(t *testing.T, w *world, _ []result.Result) {
			t.Helper()
			w.checkPolicy(t, "whole@apps:/data", values{
				"files.oneFileSystem": true, "files.ignoreCacheDirs": true, "files.ignore": []string{"/var/log/"}, "splitter.algorithm": "FIXED-4M",
			})
			checkArguments(t, called(t, w.calls(t), "snapshot", "create"), []string{"--parallel=12"}, []string{"--block-size", "--progress-interval"})
		})},
	}
}

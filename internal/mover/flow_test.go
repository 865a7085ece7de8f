package mover_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestRefusalsWriteNothing(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		change func(t *testing.T, w *world)
		code   int
		reason string
		says   string
	}{
		"sourcePath leads upwards":         {func(_ *testing.T, w *world) { w.task.Backup.SourcePath = "a/../../etc" }, 5, "SourcePathInvalid", ".."},
		"sourcePath leads through a link":  {func(_ *testing.T, w *world) { w.task.Backup.SourcePath = "link" }, 5, "SourcePathInvalid", "symbolic link"},
		"sourcePath is a file":             {func(_ *testing.T, w *world) { w.task.Backup.SourcePath = "/a.txt" }, 5, "SourcePathInvalid", "not a directory"},
		"sourcePath is not there":          {func(_ *testing.T, w *world) { w.task.Backup.SourcePath = "sub dir/gone/deep" }, 5, "SourcePathMissing", "random.bin"},
		"the volume is not there":          {func(_ *testing.T, w *world) { w.task.Backup.Root = w.dir + "/gone" }, 5, "SourceMissing", "gone"},
		"the Secret has no password":       {func(t *testing.T, w *world) { w.secret(t, "KOPIA_PASSWORD", " \n") }, 5, "RepositorySecret", "add the password"},
		"the Secret names a bucket":        {func(t *testing.T, w *world) { w.secret(t, "KOPIA_S3_BUCKET", "b") }, 5, "BackendNotSupported", "use a filesystem:// repository or a repositoryPVC"},
		"the Secret is for other storage":  {secretOfOtherStorage, 5, "RepositorySecret", "the repository is to be filesystem storage (/srv/repo), but the Secret's KOPIA_REPOSITORY says s3"},
		"the Secret is not mounted":        {func(_ *testing.T, w *world) { w.task.Repository.SecretDir = w.dir + "/gone" }, 5, "SecretUnreadable", "gone"},
		"the custom CA is not there":       {func(_ *testing.T, w *world) { w.task.Repository.CustomCAFile = w.dir + "/ca.crt" }, 5, "CustomCA", "ca.crt"},
		"there is no kopia":                {func(_ *testing.T, w *world) { w.task.Kopia = w.dir + "/gone" }, 1, "KopiaMissing", "gone"},
		"an empty volume that must not be": {func(t *testing.T, w *world) { w.emptyData(t); w.task.Backup.OnEmpty = result.OnEmptyFail }, 1, "SourceEmpty", "empty"},
		"an empty volume that held files":  {func(t *testing.T, w *world) { w.emptyData(t); w.task.Backup.LastHadFiles = new(true) }, 1, "SourceEmpty", "held files"},
		"an empty volume that held none":   {func(t *testing.T, w *world) { w.emptyData(t); w.task.Backup.LastHadFiles = new(false) }, 0, "SourceEmpty", "empty"},
		"the policy file is not JSON":      {func(t *testing.T, w *world) { w.policy(t, "global-policy.json", "{invalid json here}") }, 3, "PolicyInvalid", "global-policy.json"},
		"the policy file has changed since the plan": {func(t *testing.T, w *world) {
			w.policy(t, "global-policy.json", "{}")
			w.task.Policy.SHA256["global-policy.json"] = "00"
		}, 5, "PolicyChanged", "changed"},
		"the policy names no compressor": {func(t *testing.T, w *world) {
			w.policy(t, "global-policy.json", `{"compression":{"compressor":"zstandard"}}`)
		}, 3, "PolicyInvalid", "zstandard"},
	}
	kopia := kopiatest.Kopia(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			row.change(t, w)
			before := w.below(t)
			o := w.run(t)
			sameFiles(t, before, w.below(t))
			if o.ExitCode != row.code || o.Reason != row.reason || !strings.Contains(o.Message+o.Hint+o.log, row.says) {
				t.Errorf("exit %d, reason %q, message %q, hint %q", o.ExitCode, o.Reason, o.Message, o.Hint)
			}
			if o.KopiaProcesses > 0 {
				t.Errorf("kopia was started %d times", o.KopiaProcesses)
			}
			if o.Snapshot != nil {
				t.Errorf("there is a snapshot: %+v", o.Snapshot)
			}
		})
	}
}

// secretOfOtherStorage has the task name a directory, as --repository-dir and a
// repositoryPVC do, beside a Secret that names a bucket.
func secretOfOtherStorage(t *testing.T, w *world) {
	t.Helper()
	w.secret(t, "KOPIA_REPOSITORY", "s3://bucket")
	w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: "/srv/repo"}
}

// policy puts a file into the policy ConfigMap.
func (w *world) policy(t *testing.T, name, content string) {
	t.Helper()
	p := &w.task.Policy
	p.Dir, p.GlobalFile, p.RepositoryConfigFile = filepath.Join(w.dir, "policies"), "global-policy.json", "repository.config"
	kopiatest.Write(t, filepath.Join(p.Dir, name), content)
	sum := sha256.Sum256([]byte(content))
	if p.SHA256 == nil {
		p.SHA256 = map[string]string{}
	}
	p.SHA256[name] = hex.EncodeToString(sum[:])
}

func TestSourcePath(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		sourcePath, planned string
		overridden          bool
		recorded, file      string
		outcome             result.Outcome
	}{
		"below the root":                      {"sub dir", "/data/sub dir", false, "/data/sub dir", "random.bin", result.Succeeded},
		"with the mount path in front":        {"/data/sub dir", "/data/data/sub dir", false, "/data/sub dir", "random.bin", result.SucceededWithWarnings},
		"below a directory named data":        {"data/x", "/data/data/x", false, "/data/data/x", "in data", result.Succeeded},
		"the mount path itself":               {"/data", "/data/data", false, "/data", "a.txt", result.SucceededWithWarnings},
		"with the mount path and an override": {"/data/sub dir", "/old/place", true, "/old/place", "random.bin", result.SucceededWithWarnings},
	}
	kopia := kopiatest.Kopia(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			kopiatest.Write(t, w.data+"/x/not in data", "x")
			if row.sourcePath == "data/x" {
				kopiatest.Write(t, w.data+"/data/x/in data", "x")
			}
			w.task.Backup.SourcePath, w.task.Backup.PathOverridden, w.task.Identity.Path = row.sourcePath, row.overridden, row.planned
			o := w.run(t)
			o.want(t, row.outcome, 0, "")
			listed := w.repo.Snapshots(t)[0]
			want := result.Identity{Username: "app", Hostname: "prod", Path: row.recorded}
			if listed.Identity() != want || o.Identity != want {
				t.Errorf("recorded as %s, reported as %s, want %s", listed.Identity(), o.Identity, want)
			}
			if _, err := os.Stat(filepath.Join(w.repo.Restore(t, listed.ID), row.file)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPolicyLogIsTheDocumentationPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.policy(t, "global-policy.json", `{"retention":{"keepYearly":3},"upload":{"maxParallelFileReads":4}}`)
	w.policy(t, "repository.config", `{"uploadSpeed": 10485760,}`)
	w.task.Policy.OnError = result.PolicyErrorsWarn
	w.task.Repository.UploadBytesPerSecond = 10_000_000
	o := w.run(t)
	o.want(t, result.SucceededWithWarnings, 0, "")
	block := strings.Join([]string{
		"=== Applying policy configuration ===",
		"Found global policy file: " + w.task.Policy.Dir + "/global-policy.json",
		"Global policy applied successfully",
		"Found repository config file: " + w.task.Policy.Dir + "/repository.config",
		"ERROR: Invalid JSON in repository config file",
	}, "\n")
	rest := []string{
		block, "\nContinuing with default settings\nPolicy configuration summary: 1 applied, 1 failed\n",
		"\nUpload speed limit: 10 MB/s (10000000 bytes per second)\n", "\nParallel uploads: 4\n",
	}
	for _, want := range rest {
		if !strings.Contains(o.log, want) {
			t.Errorf("the log lacks %q:\n%s", want, o.log)
		}
	}
	if got := w.repo.Run(t, "policy", "show", "--global", "--json"); !strings.Contains(strings.ReplaceAll(got, " ", ""), `"keepAnnual":3`) {
		t.Errorf("the global policy is %s", got)
	}
}

func TestRepositoryDirectoryIsMadeOnAnEmptyVolumeOnly(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, files := range map[string][]string{
		"empty": {"lost+found/x"}, "in use": {"photos/1.jpg"}, "in use beside a file named lost+found": {"lost+found", "photos/1.jpg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t, kopia)
			volume := filepath.Join(w.dir, "volume")
			for _, file := range files {
				kopiatest.Write(t, filepath.Join(volume, file), "x")
			}
			if err := os.Remove(filepath.Join(w.secrets, "KOPIA_REPOSITORY")); err != nil {
				t.Fatal(err)
			}
			w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: volume + "/repository", MakeOnEmptyVolume: true}
			o := w.run(t)
			if name == "empty" {
				o.want(t, result.Succeeded, 0, "")
				return
			}
			o.want(t, result.Failed, 7, "StorageMissing")
		})
	}
}

func TestRootOnlyLostAndFoundIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	kopiatest.Write(t, w.data+"/lost+found/#1", "x")
	kopiatest.Write(t, w.data+"/notes.tmp", "x")
	kopiatest.Write(t, w.data+"/sub dir/lost+found/mine", "x")
	if err := os.Chmod(w.data+"/lost+found", 0o700); err != nil {
		t.Fatal(err)
	}
	w.readableTree(t)
	kopiatest.Write(t, w.data+"/noise.log", "x")
	w.repo.Run(t, "policy", "set", "--global", "--add-ignore=*.log")
	// The manifest's own rules stay beside it, and the repository's global ones.
	w.task.Policy.Inline = []result.PolicyLayer{{From: "spec.kopia.additionalArgs[0]", Policy: []byte(`{"files":{"ignore":["*.tmp"]}}`)}}
	o := w.runAs(t, nobody)
	o.want(t, result.Succeeded, 0, "")
	if !strings.Contains(o.log, "VK421 ") || o.Snapshot.Failed+o.Snapshot.Ignored > 0 {
		t.Errorf("snapshot %+v\n%s", o.Snapshot, o.log)
	}
	if !slices.ContainsFunc(o.Policy.Changes, func(c result.PolicyChange) bool {
		return c.Path == "files.ignore" && c.From == "the repository's global policy, unreadable lost+found, spec.kopia.additionalArgs[0]"
	}) {
		t.Errorf("the changes of the policy are %+v", o.Policy.Changes)
	}
	restored := w.repo.Restore(t, o.Snapshot.ID)
	for file, there := range map[string]bool{"lost+found": false, "notes.tmp": false, "noise.log": false, "a.txt": true, "sub dir/lost+found/mine": true} {
		if _, err := os.Lstat(filepath.Join(restored, file)); (err == nil) != there {
			t.Errorf("%s: %v, want it there: %v", file, err, there)
		}
	}
}

func TestNearlyFullCacheIsAWarning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Repository.CacheCapacityBytes = 1 << 40
	first := w.run(t)
	first.want(t, result.Succeeded, 0, "")
	if first.Cache == nil || first.Cache.UsedBytes == 0 || first.Cache.CapacityBytes != 1<<40 {
		t.Fatalf("cache use %+v", first.Cache)
	}
	// The next run finds the cache filled and adds a little.
	w.task.Repository.CacheCapacityBytes = first.Cache.UsedBytes
	second := w.run(t)
	second.want(t, result.SucceededWithWarnings, 0, "")
	if len(second.Warnings) != 1 || second.Warnings[0].Code != "VK424" {
		t.Errorf("warnings %+v", second.Warnings)
	}
}

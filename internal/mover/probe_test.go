package mover_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// probed is a world whose task asks what a run would find.
func probed(w *world) *world {
	w.task.Operation, w.task.Backup = result.OperationProbe, nil
	w.task.Policy.Inline = []result.PolicyLayer{
		{From: "spec.kopia.retain", Policy: []byte(`{"retention":{"keepDaily":7,"keepHourly":3}}`)},
	}
	return w
}

// content is every file below a directory with its digest and its time, every link
// with where it leads, and every directory.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			files[path] = "a directory"
			return err
		}
		if entry.Type() == fs.ModeSymlink {
			files[path], err = os.Readlink(path)
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		sum := sha256.Sum256(data)
		files[path] = hex.EncodeToString(sum[:]) + " " + info.ModTime().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// mountReadOnly makes the repository's directory one that nobody can write to, as
// a pod's volume that is mounted so.
func mountReadOnly(t *testing.T, dir string) {
	t.Helper()
	kopiatest.NeedRoot(t)
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		kopiatest.Unable(t, "mount a directory: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		kopiatest.Unable(t, "mount a directory read-only: %v", err)
	}
}

// A probe tells what is there and what would change, with one process, and leaves
// the repository as it is, on a volume that can be written to and on one that
// cannot.
func TestAProbeReadsAndWritesNothing(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, mount := range []string{"read-write", "read-only"} {
			t.Run(mount, func(t *testing.T) {
				t.Parallel()
				w := probed(newWorld(t, kopia))
				w.repo.Run(t, "policy", "set", "app@prod:/data", "--keep-daily=7", "--keep-weekly=9")
				if mount == "read-only" {
					mountReadOnly(t, w.repo.Dir)
				}
				before := content(t, w.repo.Dir)
				began := time.Now()
				o := w.run(t)
				o.want(t, result.Succeeded, 0, "")
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %s: kopia retries something", took)
				}
				if diff := cmp.Diff(before, content(t, w.repo.Dir)); diff != "" {
					t.Errorf("the repository has changed (-before +now):\n%s", diff)
				}
				if o.Repository == nil || o.Repository.Type != "filesystem" || o.Repository.UniqueID == "" || o.Repository.Absent != nil || o.KopiaProcesses != 1 {
					t.Errorf("%d processes, repository %+v", o.KopiaProcesses, o.Repository)
				}
				wantChanges(t, o, []result.PolicyChange{
					{Target: "app@prod:/data", Path: "retention.keepHourly", After: "3", From: "spec.kopia.retain"},
					{Target: "app@prod:/data", Path: "retention.keepWeekly", Before: "9"},
				}, []result.PolicyChange{
					{Target: "app@prod:/data", Path: "retention.keepDaily", Before: "7", After: "7", From: "spec.kopia.retain"},
				})
			})
		}
	})
}

func wantChanges(t *testing.T, o outcome, changes, unchanged []result.PolicyChange) {
	t.Helper()
	if o.Policy == nil {
		t.Fatalf("no policies\n%s", o.log)
	}
	if diff := cmp.Diff(changes, o.Policy.Changes); diff != "" {
		t.Errorf("what would change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(unchanged, o.Policy.Unchanged); diff != "" {
		t.Errorf("what is so already (-want +got):\n%s", diff)
	}
}

// What a policy Secret holds is told by its paths alone, changed or not.
func TestAProbeWithholdsWhatASecretHolds(t *testing.T) {
	t.Parallel()
	w := probed(newWorld(t, kopiatest.Kopia(t)))
	w.task.Policy.Inline = nil
	w.policy(t, "global-policy.json", `{"retention":{"keepDaily":77},"files":{"ignore":["`+canary+`-a-rule"]}}`)
	w.task.Policy.FromSecret, w.task.Policy.SHA256 = true, nil
	w.repo.Run(t, "policy", "set", "--global", "--keep-daily=77", "--add-ignore=another-rule")
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	wantChanges(t, o, []result.PolicyChange{
		{Target: "(global)", Path: "files.ignore", Before: result.Withheld, After: result.Withheld, From: "global-policy.json"},
	}, []result.PolicyChange{
		{Target: "(global)", Path: "retention.keepDaily", Before: result.Withheld, After: result.Withheld, From: "global-policy.json"},
	})
	// The log names a few of the values that nobody manages, the Result all of them.
	all := o.Policy.NotManaged
	short := fmt.Sprintf("in %d values: %s, %s, %s and %d more\n", len(all), all[0], all[1], all[2], len(all)-3)
	if len(all) < 10 || !strings.Contains(o.log, short) {
		t.Errorf("no %q in\n%s", short, o.log)
	}
	if strings.Contains(o.log, "another-rule") {
		t.Errorf("the log tells what the repository holds:\n%s", o.log)
	}
}

// Where there is no repository a probe says so, and whether a run would make one,
// in the words of that run.
func TestAProbeOfNoRepository(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, row := range map[string]struct {
		change func(t *testing.T, w *world)
		barred string
	}{
		"an empty directory": {func(*testing.T, *world) {}, ""},
		"where nothing may be created": {func(_ *testing.T, w *world) {
			w.task.Repository.Create = result.CreateNever
		}, "--create-repository=never"},
		"of a source that was backed up": {func(_ *testing.T, w *world) {
			w.task.Repository.SourceHasSynced = true
		}, "backed up before"},
		"with other people's files": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.repo.Dir+"/2026/thesis.txt", "mine")
		}, "is not empty: it holds "},
		"with other people's files, and yet": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.repo.Dir+"/2026/thesis.txt", "mine")
			w.task.Repository.Create = result.CreateAlways
		}, ""},
		"a new volume": {func(_ *testing.T, w *world) {
			w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: w.repo.Dir + "/repository", MakeOnEmptyVolume: true}
		}, ""},
		"a volume in use": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.repo.Dir+"/1.jpg", "mine")
			w.task.Repository.Storage.Filesystem = &result.FilesystemStorage{Path: w.repo.Dir + "/repository", MakeOnEmptyVolume: true}
		}, "is not empty: it holds "},
		"the note of an earlier attempt": {func(t *testing.T, w *world) {
			t.Helper()
			kopiatest.Write(t, w.repo.Dir+"/.shards", `{"default":[3,3],"maxNonShardedLength":20}`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := probed(newBareWorld(t, kopia))
			row.change(t, w)
			if w.task.Repository.Storage.Filesystem != nil {
				if err := os.Remove(filepath.Join(w.secrets, "KOPIA_REPOSITORY")); err != nil {
					t.Fatal(err)
				}
			}
			before := content(t, w.repo.Dir)
			o := w.run(t)
			o.want(t, result.Succeeded, 0, "")
			a := o.Repository.Absent
			if a == nil || a.Found == "" || (row.barred == "") != (a.Barred == "") || !strings.Contains(a.Barred, row.barred) {
				t.Errorf("it says %+v, want %q", a, row.barred)
			}
			if diff := cmp.Diff(before, content(t, w.repo.Dir)); diff != "" {
				t.Errorf("something was written (-before +now):\n%s", diff)
			}
			// The run says the same.
			if row.barred != "" {
				w.task.Operation, w.task.Backup = result.OperationBackup, &result.BackupTask{Root: w.data, OnEmpty: result.OnEmptySkip, Prove: result.ProveBlobs}
				if run := w.run(t); run.ExitCode != 7 {
					t.Errorf("the run ended with %d: %s", run.ExitCode, run.Message)
				}
			}
		})
	}
}

// What stops a run that opens the repository stops a probe, with the same code.
func TestAProbeFailsAsARunDoes(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, row := range map[string]struct {
		change func(t *testing.T, w *world)
		reason string
	}{
		"a wrong password": {func(t *testing.T, w *world) {
			t.Helper()
			w.secret(t, "KOPIA_PASSWORD", "another-"+canary)
		}, "WrongPassword"},
		"a directory that is not there": {func(t *testing.T, w *world) {
			t.Helper()
			w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+w.dir+"/nowhere")
		}, "StorageMissing"},
		"a repository that kopia would write to": {func(t *testing.T, w *world) {
			t.Helper()
			if err := os.Remove(w.repo.Dir + "/.shards"); err != nil {
				t.Fatal(err)
			}
		}, "ProbeWouldWrite"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := probed(newWorld(t, kopia))
			row.change(t, w)
			before := content(t, w.repo.Dir)
			w.run(t).want(t, result.Failed, 7, row.reason)
			if diff := cmp.Diff(before, content(t, w.repo.Dir)); diff != "" {
				t.Errorf("something was written (-before +now):\n%s", diff)
			}
		})
	}
}

// Which identity a run takes depends on its volume, which a probe has not: it
// looks at the one that has been backed up.
func TestAProbeLooksUnderBothIdentities(t *testing.T) {
	t.Parallel()
	w := probed(newWorld(t, kopiatest.Kopia(t)))
	long, short := result.Identity{Username: "app", Hostname: "prod", Path: "/data/data/x"}, result.Identity{Username: "app", Hostname: "prod", Path: "/data/x"}
	w.task.Identity, w.task.Otherwise = long, &short
	for _, row := range []struct {
		backedUp string
		want     result.Identity
		before   string
	}{{"", long, ""}, {short.String(), short, "4"}, {long.String(), long, "4"}} {
		if row.backedUp != "" {
			w.repo.Run(t, "policy", "set", row.backedUp, "--keep-daily=4")
		}
		o := w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.Identity != row.want {
			t.Errorf("%q is backed up: identity %s, want %s", row.backedUp, o.Identity, row.want)
		}
		wantChanges(t, o, []result.PolicyChange{
			{Target: row.want.String(), Path: "retention.keepDaily", Before: row.before, After: "7", From: "spec.kopia.retain"},
			{Target: row.want.String(), Path: "retention.keepHourly", After: "3", From: "spec.kopia.retain"},
		}, nil)
	}
}

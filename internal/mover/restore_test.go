package mover_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestRestoreChoosesTheSnapshotThatIsMeant(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		var ids []string
		var starts []time.Time
		for _, content := range []string{"one", "two"} {
			kopiatest.Write(t, w.data+"/version", content)
			o := w.run(t)
			o.want(t, result.Succeeded, 0, "")
			ids, starts = append(ids, o.Snapshot.ID), append(starts, o.Snapshot.StartTime)
		}
		between := starts[0].Add(starts[1].Sub(starts[0]) / 2).In(time.FixedZone("", 5*3600))
		rows := map[string]struct {
			task result.RestoreTask
			id   string
		}{
			"the newest":            {result.RestoreTask{}, ids[1]},
			"the one before":        {result.RestoreTask{Previous: 1}, ids[0]},
			"as of a time between":  {result.RestoreTask{AsOf: &between}, ids[0]},
			"as of its start":       {result.RestoreTask{AsOf: &starts[1]}, ids[1]},
			"the one with the id":   {result.RestoreTask{SnapshotID: ids[0]}, ids[0]},
			"further back than any": {result.RestoreTask{Previous: 2}, ""},
			"an unknown id":         {result.RestoreTask{SnapshotID: "0123456789abcdef"}, ""},
		}
		w.task.Operation = result.OperationRestore
		for name, row := range rows {
			row.task.TargetDir = t.TempDir()
			w.task.Restore = &row.task
			o := w.run(t)
			if row.id == "" {
				if o.ExitCode != 5 || o.Reason != "NoSnapshot" || !strings.Contains(o.Hint, "app@prod:/data (2)") {
					t.Errorf("%s: exit %d, reason %q, hint %q", name, o.ExitCode, o.Reason, o.Hint)
				}
				continue
			}
			if o.ExitCode != 0 || o.Snapshot.ID != row.id || o.Restore.Files != 6 {
				t.Errorf("%s: exit %d, snapshot %+v, report %+v, want %s\n%s", name, o.ExitCode, o.Snapshot, o.Restore, row.id, o.log)
			}
			if row.id == ids[1] {
				kopiatest.Compare(t, w.data, row.task.TargetDir)
			}
			if o.KopiaProcesses != 2 {
				t.Errorf("%s took %d kopia processes, want 2", name, o.KopiaProcesses)
			}
		}
	})
}

func TestRestoreOfAnUnknownSourceNamesTheKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.run(t).want(t, result.Succeeded, 0, "")
	w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
	w.task.Identity.Hostname = "staging"
	o := w.run(t)
	o.want(t, result.Refused, 5, "NoSnapshot")
	if !strings.Contains(o.Hint, "app@prod:/data (1)") || !strings.Contains(o.Message, "app@staging:/data") {
		t.Errorf("message %q, hint %q", o.Message, o.Hint)
	}
	if entries, err := os.ReadDir(w.task.Restore.TargetDir); err != nil || len(entries) > 0 {
		t.Errorf("the target holds %v, %v", entries, err)
	}
}

// A sourcePath with the mount path in front is recorded without it when the
// volume has no such directory. Who reads has no volume to look at.
func TestReadingLooksUnderBothIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.SourcePath, w.task.Identity.Path = "/data/sub dir", "/data/data/sub dir"
	shortened := w.run(t)
	shortened.want(t, result.SucceededWithWarnings, 0, "")
	read := func(task result.RestoreTask) outcome {
		w := *w
		task.TargetDir = t.TempDir()
		w.task.Operation, w.task.Restore = result.OperationRestore, &task
		w.task.Otherwise = &result.Identity{Username: "app", Hostname: "prod", Path: "/data/sub dir"}
		return w.run(t)
	}
	list := func() outcome {
		w := *w
		w.task.Operation, w.task.List = result.OperationList, &result.ListTask{}
		w.task.Otherwise = &result.Identity{Username: "app", Hostname: "prod", Path: "/data/sub dir"}
		return w.run(t)
	}
	o := read(result.RestoreTask{})
	o.want(t, result.Succeeded, 0, "")
	if snapshotID(o.Result) != shortened.Snapshot.ID || o.Identity != shortened.Identity {
		t.Errorf("restored %+v as %s, want %s", o.Snapshot, o.Identity, shortened.Snapshot.ID)
	}
	if o = list(); len(o.Snapshots) != 1 {
		t.Errorf("listed %+v", o.Snapshots)
	}

	// Later the volume has it: the newest is the one that counts.
	kopiatest.Write(t, w.data+"/data/sub dir/new", "new")
	long := w.run(t)
	long.want(t, result.Succeeded, 0, "")
	for id, task := range map[string]result.RestoreTask{
		long.Snapshot.ID: {}, shortened.Snapshot.ID: {Previous: 1},
	} {
		o := read(task)
		o.want(t, result.Succeeded, 0, "")
		if snapshotID(o.Result) != id {
			t.Errorf("%+v: restored %+v, want %s", task, o.Snapshot, id)
		}
	}
	if o = list(); len(o.Snapshots) != 2 || o.Snapshots[0].ID != shortened.Snapshot.ID || o.Snapshots[1].ID != long.Snapshot.ID {
		t.Errorf("listed %+v", o.Snapshots)
	}
	o = read(result.RestoreTask{Previous: 2})
	o.want(t, result.Refused, 5, "NoSnapshot")
	for _, want := range []string{"app@prod:/data/data/sub dir or app@prod:/data/sub dir", shortened.Snapshot.ID, long.Snapshot.ID} {
		if !strings.Contains(o.Message+o.Hint, want) {
			t.Errorf("%q is not in the message %q, hint %q", want, o.Message, o.Hint)
		}
	}
}

// A snapshot without the files that could not be read may be the best there is;
// who restores it must know.
func TestRestoreSaysThatFilesWereMissed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		prepare func(t *testing.T, w *world)
		backup  result.Outcome
		says    string
		missed  int64
	}{
		"and the backup failed for it": {
			func(*testing.T, *world) {}, result.Incomplete,
			"lacks 1 file or directory that could not be read when it was taken: private.key", 1,
		},
		"and a policy ignores that": {
			func(_ *testing.T, w *world) { w.ignoreErrors() }, result.SucceededWithWarnings,
			"lacks 1 file or directory that could not be read when it was taken, which a policy ignored: private.key", 1,
		},
		"and a policy ignores one of them": {
			func(t *testing.T, w *world) {
				t.Helper()
				w.ignoreErrors() // those of files
				kopiatest.Write(t, w.data+"/closed/file", "x")
				chmod(t, w.data+"/closed", 0o700)
			}, result.Incomplete,
			"lacks 2 files or directories that could not be read when it was taken, of which a policy ignored 1: closed", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			row.prepare(t, w)
			backup := runUnreadable(t, w)
			if backup.Outcome != row.backup {
				t.Fatalf("the backup ended %s\n%s", backup.Outcome, backup.log)
			}
			w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
			o := w.run(t)
			o.want(t, result.SucceededWithWarnings, 0, "")
			if len(o.Warnings) != 1 || o.Warnings[0].Code != "VK429" || !strings.Contains(o.Warnings[0].Message, row.says) || o.Snapshot.ID != backup.Snapshot.ID {
				t.Errorf("warnings %+v, snapshot %+v", o.Warnings, o.Snapshot)
			}
			w.task.Restore.Previous = 1
			want := fmt.Sprintf("%s, %s missed", backup.Snapshot.ID, map[int64]string{1: "1 file or directory", 2: "2 files or directories"}[row.missed])
			if o = w.run(t); !strings.Contains(o.Hint, want) {
				t.Errorf("hint %q", o.Hint)
			}
		})
	}
}

// Kopia's exit code is not the result of a restore either.
func TestRestoreIsWhatWasRestored(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		rows := map[string]struct {
			change   func(t *testing.T, w *world)
			outcome  result.Outcome
			exitCode int
			reason   string
			says     string
		}{
			"kopia does not say what it restored": {func(t *testing.T, w *world) {
				t.Helper()
				w.shim(t, `case "$*" in *"snapshot restore"*) "$KOPIA" "$@" 2>/dev/null; exit 0;; esac`)
			}, result.Failed, 1, "UnreadableResult", "did not say"},
			"a file's contents are gone, and errors are ignored": {func(t *testing.T, w *world) {
				t.Helper()
				for _, blob := range w.repo.Blobs(t, "p") {
					if err := os.Remove(blob); err != nil {
						t.Fatal(err)
					}
				}
				w.task.Restore.Args = []string{"--ignore-errors"}
			}, result.Incomplete, 4, "FilesNotRestored", "of 5 files"},
			"a file's contents are gone": {func(t *testing.T, w *world) {
				t.Helper()
				for _, blob := range w.repo.Blobs(t, "p") {
					if err := os.Remove(blob); err != nil {
						t.Fatal(err)
					}
				}
			}, result.Failed, 1, "BlobMissing", " a part of snapshot "},
			"only placeholders are asked for": {func(_ *testing.T, w *world) {
				w.task.Restore.Args = []string{"--shallow=0", "--shallow-minsize=1"}
			}, result.Succeeded, 0, "", ""},
			"what is there is passed over": {func(t *testing.T, w *world) {
				t.Helper()
				w.run(t).want(t, result.Succeeded, 0, "")
				w.task.Restore.Args = []string{"--skip-existing"}
			}, result.Succeeded, 0, "", ""},
		}
		for name, row := range rows {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				w.run(t).want(t, result.Succeeded, 0, "")
				w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
				row.change(t, w)
				o := w.run(t)
				o.want(t, row.outcome, row.exitCode, row.reason)
				if !strings.Contains(o.Message, row.says) {
					t.Errorf("message %q", o.Message)
				}
			})
		}
	})
}

// Kopia takes a link to a directory for the directory.
func TestRestoreDoesNotWriteThroughLinks(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		kopiatest.Write(t, w.data+"/real/file", "file")
		link(t, "real", w.data+"/to real") // a link to a directory that the snapshot has
		w.run(t).want(t, result.Succeeded, 0, "")
		rows := map[string]struct {
			prepare  func(t *testing.T, target, outside string)
			args     []string
			exitCode int
		}{
			"a link where the snapshot has a directory": {func(t *testing.T, target, outside string) {
				link(t, outside, target+"/real")
			}, nil, 5},
			"the same further down": {func(t *testing.T, target, outside string) {
				kopiatest.Write(t, target+"/sub dir/x", "x")
				if err := os.Remove(target + "/sub dir/x"); err != nil {
					t.Fatal(err)
				}
				link(t, outside, target+"/sub dir/deep")
			}, nil, 5},
			"a link elsewhere, and those of the snapshot": {func(t *testing.T, target, outside string) {
				link(t, outside, target+"/not in the snapshot")
				link(t, outside, target+"/to real")
				link(t, outside+"/file", target+"/a.txt") // replaced, not followed
			}, nil, 0},
			"a link to a file, which is written into": {func(t *testing.T, target, outside string) {
				link(t, outside+"/file", target+"/a.txt")
			}, []string{"--no-write-files-atomically"}, 5},
			"a link to a file that is not there yet": {func(t *testing.T, target, outside string) {
				link(t, outside+"/new", target+"/a.txt")
			}, []string{"--no-write-files-atomically"}, 5},
			"a link below such a name": {func(t *testing.T, target, outside string) {
				if err := os.Mkdir(target+"/two\nlines", 0o755); err != nil {
					t.Fatal(err)
				}
				link(t, outside, target+"/two\nlines/link")
			}, nil, 5},
			"a link with a name that no list can have": {func(t *testing.T, target, outside string) {
				link(t, outside, target+"/two\nlines")
			}, nil, 5},
		}
		kopiatest.Write(t, w.data+"/sub dir/deep/file", "deep")
		w.run(t).want(t, result.Succeeded, 0, "")
		for name, row := range rows {
			w := *w
			target, outside := t.TempDir(), t.TempDir()
			kopiatest.Write(t, outside+"/file", "mine")
			before := kopiatest.Entries(t, outside)
			row.prepare(t, target, outside)
			w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: target, Args: row.args}
			o := w.run(t)
			if o.ExitCode != row.exitCode || row.exitCode == 5 && (o.Reason != "TargetHasLinks" || !strings.Contains(o.Message, target) || o.Hint == "") {
				t.Errorf("%s: exit %d, reason %q, message %q, hint %q", name, o.ExitCode, o.Reason, o.Message, o.Hint)
			}
			if diff := cmp.Diff(before, kopiatest.Entries(t, outside)); diff != "" {
				t.Errorf("%s: written outside the target (-before +after):\n%s", name, diff)
			}
			if row.exitCode != 0 {
				continue
			}
			if err := os.Remove(target + "/not in the snapshot"); err != nil {
				t.Fatal(err)
			}
			kopiatest.Compare(t, w.data, target)
			again := w.run(t) // over what it has restored, with its link to a directory
			again.want(t, result.Succeeded, 0, "")
			kopiatest.Compare(t, w.data, target)
		}
	})
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// Only incomplete snapshots: they are named, and how to have one all the same.
func TestRestoreNamesTheIncompleteOnesThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Policy.Inline = []result.PolicyLayer{{From: "test", Policy: []byte(`{"errorHandling":{"ignoreUnknownTypes":false}}`)}}
	w.task.Backup.Args = []string{"--fail-fast"}
	if err := syscall.Mkfifo(w.data+"/a pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	part := w.run(t)
	part.want(t, result.Incomplete, 4, "FilesUnreadable")
	w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
	o := w.run(t)
	o.want(t, result.Refused, 5, "NoSnapshot")
	for _, want := range []string{"no complete snapshot", part.Snapshot.ID, part.Snapshot.Incomplete, "--snapshot-id"} {
		if !strings.Contains(o.Hint, want) {
			t.Errorf("no %q in the hint %q", want, o.Hint)
		}
	}
}

func TestRestoreNeverCreatesARepository(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t, kopiatest.Kopia(t))
	w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
	o := w.run(t)
	o.want(t, result.Failed, 7, "RepositoryNotInitialized")
	notCreated(t, w, o)
}

func TestListShowsOneSourceOrAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.run(t).want(t, result.Succeeded, 0, "")
	w.task.Identity.Username = "other"
	w.run(t).want(t, result.Succeeded, 0, "")
	w.task.Operation = result.OperationList
	for all, want := range map[bool]int{false: 1, true: 2} {
		w.task.List = &result.ListTask{All: all}
		o := w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if len(o.Snapshots) != want || o.KopiaProcesses != 1 {
			t.Errorf("all=%v lists %d snapshots with %d processes, want %d with 1", all, len(o.Snapshots), o.KopiaProcesses, want)
		}
		if want == 1 && (o.Snapshots[0].Identity.Username != "other" || o.Snapshots[0].Tags["volsync-kopia-run"] != "run-1") {
			t.Errorf("listed %+v", o.Snapshots[0])
		}
	}
}

// A snapshot that was cut short is in every list of kopia's.
func TestIncompleteSnapshotIsNeverTheNewest(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.task.Policy.Inline = []result.PolicyLayer{
			{From: "test", Policy: []byte(`{"errorHandling":{"ignoreUnknownTypes":false},"retention":{"ignoreIdenticalSnapshots":true}}`)},
		}
		whole := w.run(t)
		whole.want(t, result.Succeeded, 0, "")
		w.task.Backup.Args = []string{"--fail-fast"}
		pipe := w.data + "/a pipe"
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		part := w.run(t)
		part.want(t, result.Incomplete, 4, "FilesUnreadable")
		if part.Snapshot.Incomplete == "" || len(w.repo.Snapshots(t)) != 2 {
			t.Fatalf("the second snapshot is %+v", part.Snapshot)
		}

		backup := w.task
		w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
		if o := w.run(t); o.ExitCode != 0 || o.Snapshot.ID != whole.Snapshot.ID {
			t.Errorf("restored %+v, exit %d, want %s", o.Snapshot, o.ExitCode, whole.Snapshot.ID)
		}
		w.task.Restore = &result.RestoreTask{TargetDir: t.TempDir(), Previous: 1}
		o := w.run(t)
		o.want(t, result.Refused, 5, "NoSnapshot")
		if !strings.Contains(o.Hint, whole.Snapshot.ID) || strings.Contains(o.Hint, part.Snapshot.ID) {
			t.Errorf("hint %q", o.Hint)
		}
		w.task.Restore = &result.RestoreTask{TargetDir: t.TempDir(), SnapshotID: part.Snapshot.ID}
		o = w.run(t)
		o.want(t, result.SucceededWithWarnings, 0, "")
		if len(o.Warnings) != 1 || o.Warnings[0].Code != "VK425" {
			t.Errorf("warnings %+v", o.Warnings)
		}

		w.task = backup
		if err := os.Remove(pipe); err != nil {
			t.Fatal(err)
		}
		if o := w.run(t); o.Snapshot == nil || o.Snapshot.Incomplete != "" || o.Outcome == result.Unchanged && o.Snapshot.ID != whole.Snapshot.ID {
			t.Errorf("ended %s with %+v", o.Outcome, o.Snapshot)
		} else {
			t.Logf("after an incomplete snapshot, without changes: %s", o.Outcome)
		}
	})
}

package mover_test

import (
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Kopia lists the snapshots of every directory above a path as those of the
// path. Whoever has added a sourcePath must not get the whole volume back.
func TestSnapshotsOfDirectoriesAboveAreOtherBackups(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.ignoreIdentical()
		below := *w
		backup := *w.task.Backup
		backup.SourcePath = "sub dir"
		below.task.Backup, below.task.Identity.Path = &backup, "/data/sub dir"
		own := below.run(t)
		own.want(t, result.Succeeded, 0, "")
		kopiatest.Write(t, w.data+"/newer", "newer")
		w.run(t).want(t, result.Succeeded, 0, "")
		root := *w
		root.task.Identity.Path = "/"
		root.run(t).want(t, result.Succeeded, 0, "")

		o := below.run(t)
		o.want(t, result.Unchanged, 0, "")
		if snapshotID(o.Result) != own.Snapshot.ID {
			t.Errorf("%s stands for the source without changes, want %s", snapshotID(o.Result), own.Snapshot.ID)
		}
		read := below
		read.task.List = &result.ListTask{}
		read.task.Operation = result.OperationList
		for _, otherwise := range []*result.Identity{nil, {Username: "app", Hostname: "prod", Path: "/data/sub dir/deeper"}} {
			read.task.Otherwise = otherwise
			if o := read.run(t); len(o.Snapshots) != 1 || o.Snapshots[0].ID != own.Snapshot.ID {
				t.Errorf("listed with %v besides: %+v", otherwise, o.Snapshots)
			}
		}
		read.task.Operation = result.OperationRestore
		read.task.Restore = &result.RestoreTask{TargetDir: t.TempDir()}
		o = read.run(t)
		o.want(t, result.Succeeded, 0, "")
		if snapshotID(o.Result) != own.Snapshot.ID {
			t.Errorf("restored %+v, want %s", o.Snapshot, own.Snapshot.ID)
		}
		kopiatest.Compare(t, w.data+"/sub dir", read.task.Restore.TargetDir)
		read.task.Restore = &result.RestoreTask{TargetDir: t.TempDir(), Previous: 1}
		read.run(t).want(t, result.Refused, 5, "NoSnapshot")
		read.task.Restore, read.task.Identity.Path = &result.RestoreTask{TargetDir: t.TempDir()}, "/data/never backed up"
		o = read.run(t)
		o.want(t, result.Refused, 5, "NoSnapshot")
		if !strings.Contains(o.Hint, "app@prod:/data (1)") {
			t.Errorf("hint %q", o.Hint)
		}
	})
}

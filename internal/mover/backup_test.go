package mover_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestBackupSavesProvesAndRestores(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newBareWorld(t, kopia)
		w.task.Policy.Inline = []result.PolicyLayer{{From: "spec.kopia.retain", Policy: []byte(`{"retention":{"keepDaily":30}}`)}}
		first := w.run(t)
		first.want(t, result.Succeeded, 0, "")
		if !first.Repository.Created {
			t.Error("the repository was not reported as created")
		}
		if first.KopiaProcesses != 5 {
			t.Errorf("the first run took %d kopia processes, want 5\n%s", first.KopiaProcesses, first.log)
		}
		if first.Snapshot.Proved != result.ProveBlobs {
			t.Errorf("proved %q", first.Snapshot.Proved)
		}
		kopiatest.Compare(t, w.data, w.repo.Restore(t, first.Snapshot.ID))

		kopiatest.Write(t, w.data+"/new.txt", "new")
		second := w.run(t)
		second.want(t, result.Succeeded, 0, "")
		if second.KopiaProcesses != 3 {
			t.Errorf("a steady run took %d kopia processes, want 3\n%s", second.KopiaProcesses, second.log)
		}
		w.task.Policy.Inline[0].Policy = []byte(`{"retention":{"keepDaily":31}}`)
		third := w.run(t)
		third.want(t, result.Succeeded, 0, "")
		if third.KopiaProcesses != 4 {
			t.Errorf("a run with a changed policy took %d kopia processes, want 4\n%s", third.KopiaProcesses, third.log)
		}
		t.Log(third.log)
	})
}

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// A backup of /data/ledger is recorded as /data/ledger on a volume without a
// directory data, and whoever reads cannot see the volume.
func TestWhatReadsLooksUnderBothPathsThatABackupMayUse(t *testing.T) {
	t.Parallel()
	ledger := &result.Identity{Username: "postgres", Hostname: "prod", Path: "/data/ledger"}
	for what, c := range map[string]struct {
		sourcePath, override string
		want                 *result.Identity
	}{
		"with the mount path in front":     {"/data/ledger", "", ledger},
		"relative, as documented":          {"data/ledger", "", nil},
		"with a recorded path of its own":  {"/data/ledger", "/srv/wiki", nil},
		"the mount path itself":            {"/data", "", &result.Identity{Username: "postgres", Hostname: "prod", Path: "/data"}},
		"a name that only starts the same": {"/database", "", nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "local-files")
			k := in.Document.Source.Spec.Kopia
			k.SourcePath = c.sourcePath
			if c.override != "" {
				k.SourcePathOverride = &c.override
			}
			p, findings := plan.BuildRead(in, result.Task{Operation: result.OperationList, List: &result.ListTask{}})
			if p.Task == nil {
				t.Fatal(findings)
			}
			if diff := cmp.Diff(c.want, p.Task.Otherwise); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(p.Otherwise, p.Task.Otherwise); diff != "" {
				t.Errorf("the plan says otherwise (-plan +task):\n%s", diff)
			}
		})
	}
}

func TestARecordedPathIsCleanedAsKopiaDoes(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	in.Document.Source.Spec.Kopia.SourcePathOverride = new("/srv//wiki/")
	p, _ := plan.BuildBackup(in)
	if p.Identity.Path != "/srv/wiki" || p.Task.Identity.Path != "/srv/wiki" {
		t.Errorf("recorded as %s", p.Identity)
	}
}

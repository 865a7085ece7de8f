package plan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What no history knows is not "no files": the mover has to ask then.
func TestTheMoverIsToldWhetherTheSourceHeldFiles(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		history *plan.History
		want    *bool
		text    string
	}{
		"no history":                         {nil, nil, ""},
		"a history of failures":              {&plan.History{}, nil, ""},
		"a status that knows of a snapshot":  {&plan.History{LastSyncTime: new(metav1.NewTime(time.Unix(0, 0)))}, nil, ""},
		"the last snapshot held nothing":     {&plan.History{LastFiles: new(int64(0))}, new(false), `"lastHadFiles":false`},
		"the last snapshot held three files": {&plan.History{LastFiles: new(int64(3))}, new(true), `"lastHadFiles":true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := load(t, "snapshot")
			in.Facts.History = row.history
			p, _ := plan.BuildBackup(in)
			if diff := cmp.Diff(row.want, p.Task.Backup.LastHadFiles); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			encoded, err := json.Marshal(p.Task)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(encoded), row.text) || strings.Contains(string(encoded), "lastHadFiles") != (row.text != "") {
				t.Errorf("the task is %s", encoded)
			}
			decoded, err := result.DecodeTask(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, decoded.Backup.LastHadFiles); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

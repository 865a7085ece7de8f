package kopiaexec_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const (
	gcRun   = `{"start":"2026-11-27T17:04:20.5Z","end":"2026-11-27T17:04:20.75Z","success":true,"extra":[{"kind":"x"}]}`
	logsRun = `{"start":"2026-11-27T17:04:21Z","end":"2026-11-27T17:04:22Z","error":"gone"}`
	muteRun = `{"start":"2026-11-27T17:04:23Z","end":"2026-11-27T17:04:23Z"}`
)

func decodeMaintenance(t *testing.T, full, runs string) kopiaexec.Maintenance {
	t.Helper()
	m, err := kopiaexec.DecodeMaintenance([]byte(`{"owner":"u@h","full":{"enabled":` + full + `},"schedule":{"nextFullMaintenance":"2026-11-28T17:04:20+01:00","runs":` + runs + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMaintenanceSince(t *testing.T) {
	t.Parallel()
	never := decodeMaintenance(t, "true", "null")
	once := decodeMaintenance(t, "true", `{"snapshot-gc":[`+gcRun+`]}`)
	now := decodeMaintenance(t, "true", `{"cleanup-logs":[`+muteRun+`,`+logsRun+`],"snapshot-gc":[`+gcRun+`]}`)
	gc := result.MaintenanceCycle{Name: "snapshot-gc", Took: result.Duration(250 * time.Millisecond)}
	failed := result.MaintenanceCycle{Name: "cleanup-logs", Took: result.Duration(time.Second), Error: "gone"}
	mute := result.MaintenanceCycle{Name: "cleanup-logs", Error: "kopia has recorded no success"}
	for name, row := range map[string]struct {
		after, before kopiaexec.Maintenance
		want          []result.MaintenanceCycle
	}{
		"nothing was ever done": {never, never, nil},
		"nothing new":           {now, now, nil},
		"all is new":            {now, never, []result.MaintenanceCycle{gc, failed, mute}},
		"some are new":          {now, once, []result.MaintenanceCycle{failed, mute}},
		"what was there goes":   {once, now, nil},
	} {
		if diff := cmp.Diff(row.want, row.after.Since(row.before)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeMaintenance(t *testing.T) {
	t.Parallel()
	m := decodeMaintenance(t, "true", "null")
	if m.Owner != "u@h" || m.NextFull == nil || m.NextFull.Format(time.RFC3339) != "2026-11-28T16:04:20Z" {
		t.Errorf("%+v", m)
	}
	if m = decodeMaintenance(t, "false", "null"); m.NextFull != nil {
		t.Errorf("full maintenance is off, and due at %s", m.NextFull)
	}
	m, err := kopiaexec.DecodeMaintenance([]byte(`{"owner":"","full":{"enabled":true},"schedule":{"nextFullMaintenance":"0001-01-01T00:00:00Z"}}`))
	if err != nil || m.NextFull != nil {
		t.Errorf("never begun: %v, %v", m.NextFull, err)
	}
	for _, bad := range []string{"", "{}", "[]", `{"owner":"u@h"}`, `{"schedule":{"runs":{"x":[{"start":"soon"}]}}}`} {
		if _, err := kopiaexec.DecodeMaintenance([]byte(bad)); err == nil {
			t.Errorf("%q is taken for an answer", bad)
		}
	}
}

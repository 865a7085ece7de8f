package mover

import (
	"syscall"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	whole := &result.Snapshot{ID: "a"}
	rows := map[string]struct {
		a    attempt
		want verdict
	}{
		"clean":                        {attempt{snapshot: whole}, complete},
		"errors that a policy ignores": {attempt{snapshot: &result.Snapshot{ID: "a", Ignored: 3}}, complete},
		"unreadable file":              {attempt{out: kopiaexec.Output{ExitCode: 1}, snapshot: &result.Snapshot{ID: "a", Failed: 1}}, incomplete},
		"unreadable file with exit 0":  {attempt{snapshot: &result.Snapshot{ID: "a", Failed: 1}}, incomplete},
		"cut short with exit 0":        {attempt{snapshot: &result.Snapshot{ID: "a", Incomplete: "canceled"}}, incomplete},
		"failed flush":                 {attempt{out: kopiaexec.Output{ExitCode: 1}, snapshot: whole}, doubtful},
		"killed after it printed":      {attempt{out: kopiaexec.Output{ExitCode: -1, Signal: syscall.SIGKILL}, snapshot: whole}, doubtful},
		"stopped by us, whole":         {attempt{snapshot: whole, stopped: true}, cancelled},
		"stopped by us, nothing":       {attempt{out: kopiaexec.Output{ExitCode: -1}, stopped: true}, cancelled},
		"nothing new":                  {attempt{out: kopiaexec.Output{Log: []string{" " + identicalMark + " since"}}}, unchanged},
		"nothing new, but it failed":   {attempt{out: kopiaexec.Output{ExitCode: 1, Log: []string{identicalMark}}}, notSaved},
		"exit 0 and nothing said":      {attempt{}, notSaved},
		"cannot open the repository":   {attempt{out: kopiaexec.Output{ExitCode: 1}}, notSaved},
	}
	for name, row := range rows {
		if got := judge(row.a); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

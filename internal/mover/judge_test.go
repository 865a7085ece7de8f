package mover

import (
	"errors"
	"syscall"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What kopia has printed is read also when the wait for it has failed.
func TestAttemptOf(t *testing.T) {
	t.Parallel()
	const manifest = `{"id":"a","source":{},"rootEntry":{"summ":{"files":1}}}`
	gone := errors.New("wait for kopia: no such process")
	rows := map[string]struct {
		stdout  string
		err     error
		stopped bool
		id      string
		reason  string
		code    int
	}{
		"a snapshot":                            {manifest, nil, false, "a", "", 0},
		"a snapshot, and the wait failed":       {manifest, gone, false, "a", "", 0},
		"the same in a cancelled run":           {manifest, gone, true, "a", "", 0},
		"nothing, and the wait failed":          {"", gone, false, "", "Kopia", 0},
		"the same in a run that was cancelled":  {"", gone, true, "", "", 0},
		"half a word":                           {`{"id":"a`, nil, false, "", "UnreadableResult", 0},
		"half a word in a cancelled run":        {`{"id":"a`, nil, true, "", "", 0},
		"nothing":                               {"", nil, false, "", "", 0},
		"a list in the place of a snapshot":     {`[]`, nil, false, "", "UnreadableResult", 0},
		"half a word, and the wait failed, too": {`{"id":"a`, gone, false, "", "Kopia", 0},
		"half a word of a kopia that failed":    {`{"id":"a`, nil, false, "", "", 1},
	}
	for name, row := range rows {
		a, err := attemptOf(kopiaexec.Output{Stdout: []byte(row.stdout), ExitCode: row.code}, row.err, row.stopped)
		id := ""
		if a.snapshot != nil {
			id = a.snapshot.ID
		}
		if id != row.id || reasonOf(err) != row.reason || (err != nil) != (row.reason != "") || a.stopped != row.stopped {
			t.Errorf("%s: snapshot %q, %v; want %q, %q", name, id, err, row.id, row.reason)
		}
	}
}

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

// A file's name is no line of the message, and acts upon nothing; the Result keeps it.
func TestTheNamesOfUnreadableFilesAreOneLine(t *testing.T) {
	t.Parallel()
	s := &result.Snapshot{ID: "a", Failed: 3, OmittedErrors: 1, Errors: []result.FileError{
		{Path: "/evil\n::error file=x::PWNED", Error: "open /evil\n::error: denied"}, {Path: "/esc\x1b[2J", Error: "denied"},
	}}
	const want = `: /evil\n::error file=x::PWNED: open /evil\n::error: denied, /esc\x1b[2J: denied, and 1 more`
	if got := firstErrors(s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

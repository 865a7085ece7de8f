package kopiaexec_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// act runs a command as an action and returns its output.
func act(t *testing.T, command string, limit time.Duration) (result.ActionReport, []string, error) {
	t.Helper()
	var lines []string
	a := kopiaexec.Action{
		Name: "beforeSnapshot", Command: command, Dir: t.TempDir(), ScriptDir: t.TempDir(),
		Env: []string{"PATH=" + kopiaexec.DefaultPath, "ONE=1"}, Timeout: limit,
	}
	report, err := a.Run(t.Context(), func(line string) { lines = append(lines, line) })
	return report, lines, err
}

func TestActionOutputAndEnd(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		command string
		code    int
		output  string
	}{
		"a shell command":                       {"echo $ONE; echo two >&2", 0, "1|two"},
		"its exit code":                         {"exit 42", 42, ""},
		"a signal":                              {"kill -KILL $$", -1, ""},
		"a script":                              {"#!/bin/sh\necho from $0 | sed 's/.*action-/action-/'\n", 0, "action-beforeSnapshot"},
		"a script with an argument":             {"#!/bin/sh -e\nfalse\necho not reached\n", 1, ""},
		"a last line without a line end":        {"printf 'a\\r\\nb'", 0, "a|b"},
		"bytes that are no text":                {`printf 'a\377b\n'`, 0, "a?b"},
		"nothing on its standard input":         {"cat; echo end", 0, "end"},
		"a child that it leaves with its pipes": {"sleep 60 & echo started", 0, "started"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, lines, err := act(t, row.command, time.Minute)
			if err != nil || report.ExitCode != row.code || report.TimedOut || strings.Join(lines, "|") != row.output {
				t.Errorf("report %+v, output %q, error %v; want %d and %q", report, lines, err, row.code, row.output)
			}
		})
	}
}

func TestActionThatIgnoresTheEndIsKilled(t *testing.T) {
	t.Parallel()
	start := time.Now()
	report, lines, err := act(t, `trap "" TERM; echo $$; while true; do sleep 1; done`, 2*time.Second)
	if err != nil || !report.TimedOut || report.ExitCode != -1 || len(lines) == 0 || time.Since(start) > 30*time.Second {
		t.Fatalf("report %+v, output %q, error %v after %s", report, lines, err, time.Since(start))
	}
	if state, err := os.ReadFile(filepath.Join("/proc", lines[0], "stat")); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("the action is still there: %s", state)
	}
}

// It ended in time by itself; that its output stays open longer is another's doing.
func TestActionThatLeavesAChildIsNotTimedOut(t *testing.T) {
	t.Parallel()
	report, lines, err := act(t, "sleep 60 & echo started", 2*time.Second)
	if err != nil || report.TimedOut || report.ExitCode != 0 || !slices.Equal(lines, []string{"started"}) {
		t.Errorf("report %+v, output %q, error %v", report, lines, err)
	}
}

// The caller's own limit, as what is left of a grace period, is a time limit too.
func TestActionThatIsEndedByTheCallersDeadlineIsTimedOut(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	a := kopiaexec.Action{Name: "x", Command: "exec sleep 60", Dir: t.TempDir(), Env: []string{"PATH=" + kopiaexec.DefaultPath}, Timeout: time.Minute}
	report, err := a.Run(ctx, func(string) {})
	if err != nil || !report.TimedOut || report.ExitCode != -1 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

// A child of the action is asked to end like the action, and killed when it does not.
func TestChildrenOfAnActionEndWithIt(t *testing.T) {
	t.Parallel()
	rows := map[string]struct{ child, says string }{
		"one that listens":  {`trap "echo heard; exit" TERM; echo ready; while true; do sleep 0.1; done`, "heard"},
		"one that does not": {`trap "" TERM; echo ready; while true; do sleep 0.1; done`, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, lines, err := act(t, "sh -c '"+row.child+"' & echo $!; wait", 2*time.Second)
			if err != nil || !report.TimedOut || len(lines) < 2 {
				t.Fatalf("report %+v, output %q, error %v", report, lines, err)
			}
			if row.says != "" && !slices.Contains(lines, row.says) {
				t.Errorf("the child did not get the signal: %q", lines)
			}
			pid := lines[slices.IndexFunc(lines, func(l string) bool { return l != "ready" })]
			for range 50 {
				state, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
				if err != nil || strings.Contains(string(state), ") Z ") {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Error("the child is still there")
		})
	}
}

func TestActionThatCannotStart(t *testing.T) {
	t.Parallel()
	report, _, err := act(t, "#!/no/such/interpreter\n", time.Minute)
	if err == nil || report.ExitCode != -1 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

// An action that was cancelled did not reach its own limit.
func TestCancelledActionIsNotTimedOut(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	a := kopiaexec.Action{Name: "x", Command: "echo started; sleep 60", Dir: t.TempDir(), Env: []string{"PATH=" + kopiaexec.DefaultPath}, Timeout: time.Minute}
	report, err := a.Run(ctx, func(string) { cancel() })
	if err != nil || report.TimedOut || report.ExitCode != -1 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

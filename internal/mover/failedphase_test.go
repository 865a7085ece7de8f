package mover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestThePhaseThatFailedIsTold before the next one begins, which may go well.
func TestThePhaseThatFailedIsTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		run  func(t *testing.T, w *world) outcome
		want []string
	}{
		"none":               {func(t *testing.T, w *world) outcome { return w.run(t) }, []string{"snapshot", "proof"}},
		"an unreadable file": {runUnreadable, []string{"snapshot", "!snapshot", "proof"}},
		"an unreadable file that a policy ignores": {func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			return runUnreadable(t, w)
		}, []string{"snapshot", "proof"}},
		"the same, when the user is strict": {func(t *testing.T, w *world) outcome {
			w.ignoreErrors()
			w.task.Backup.Strict = true
			return runUnreadable(t, w)
		}, []string{"snapshot", "!snapshot", "proof"}},
		"the upload, before its action": {func(t *testing.T, w *world) outcome {
			w.task.Backup.Actions = &result.Actions{After: "true", Timeout: result.Duration(time.Minute)}
			w.shim(t, `case "$*" in *"snapshot create"*) echo "broken in the middle" >&2; exit 1;; esac`)
			return w.run(t)
		}, []string{"snapshot", "!snapshot", "afterSnapshot"}},
		"the action before": {func(t *testing.T, w *world) outcome {
			w.task.Backup.Actions = &result.Actions{Before: "exit 3", After: "true", Timeout: result.Duration(time.Minute)}
			return w.run(t)
		}, []string{"beforeSnapshot", "!beforeSnapshot", "afterSnapshot"}},
		"the action after, and the proof": {func(t *testing.T, w *world) outcome {
			w.task.Backup.Actions = &result.Actions{After: "exit 3", Timeout: result.Duration(time.Minute)}
			w.shim(t, `case "$*" in *"snapshot verify"*) echo "broken in the proof" >&2; exit 1;; esac`)
			return w.run(t)
		}, []string{"snapshot", "afterSnapshot", "!afterSnapshot", "proof", "!proof"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := row.run(t, newWorld(t, kopiatest.Kopia(t)))
			if diff := cmp.Diff(append([]string{"source", "repository", "policy"}, row.want...), phasesOf(o.log)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, o.log)
			}
		})
	}
}

// phasesOf are the phases of a log as they begin, and behind a "!" as they fail.
func phasesOf(log string) []string {
	var told []string
	for line := range strings.Lines(log) {
		e, err := result.DecodeEventLine([]byte(strings.TrimSpace(line)))
		switch {
		case err != nil || !slices.Contains([]result.EventType{result.EventPhase, result.EventFailed}, e.Type):
		case e.Type == result.EventFailed:
			told = append(told, "!"+e.Phase)
		default:
			told = append(told, e.Phase)
		}
	}
	return told
}

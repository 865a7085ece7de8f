package mover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// A mover that waits for a silent process still speaks: the command takes one
// that says nothing for one that hangs.
func TestASilentPhaseIsHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.options.Heartbeat = 200 * time.Millisecond
	w.task.Backup.Args = []string{"--no-progress"}
	w.task.Backup.Actions = &result.Actions{Before: "sleep 1", After: "sleep 1"}
	w.shim(t, `case "$*" in *"snapshot create"*|*"snapshot verify"*) sleep 1;; esac`)
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	var beats []string
	for line := range strings.Lines(o.log) {
		if e, err := result.DecodeEventLine([]byte(line)); err == nil && e.Type == result.EventHeartbeat {
			beats = append(beats, e.Phase)
		}
	}
	for _, phase := range []string{"beforeSnapshot", "snapshot", "proof", "afterSnapshot"} {
		if !slices.Contains(beats, phase) {
			t.Errorf("nothing was heard in phase %s: %v", phase, beats)
		}
		if !strings.Contains(o.log, "\nstill at it: "+phase+", for ") {
			t.Errorf("the log says nothing of phase %s:\n%s", phase, o.log)
		}
	}
}

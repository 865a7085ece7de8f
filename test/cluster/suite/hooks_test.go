package suite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The hooks of these tests write the application's state into its own volume, so
// that every snapshot says in which state it was taken. Each also adds a line to a
// file beside it, which says how often it was run.
const (
	open   = "open\n"
	closed = "closed\n"
)

// hooksOnce is what that file says after a run that ended each hook.
const hooksOnce = "before after"

// application runs the pod that the hooks run in, and returns the flags.
func (n *space) application() []string {
	n.t.Helper()
	kopiatest.Write(n.t, filepath.Join(n.data, "state"), open)
	n.pod("app", "data", "sleep 100000")
	n.untilRunning("app")
	flags := []string{
		"--exec-in", "pod/app:main",
		"--exec-before", "echo closed > /data/state; echo before >> /data/hooks; echo at rest",
		"--exec-after", "echo open > /data/state; echo after >> /data/hooks",
	}
	n.employ(flags...)
	return flags
}

// stateIn is the state that a directory's copy of the volume holds.
func (n *space) stateIn(dir string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "state"))
	n.must(err)
	return string(text)
}

// hooksIn are the hooks that were run, in their order, by a directory's copy of the
// volume.
func (n *space) hooksIn(dir string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "hooks"))
	if !os.IsNotExist(err) {
		n.must(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// isLeft fails the test unless the application is left open, after these hooks.
func (n *space) isLeft(hooks string) {
	n.t.Helper()
	if state, ran := n.stateIn(n.data), n.hooksIn(n.data); state != open || ran != hooks {
		n.t.Errorf("the application is left %q after the hooks %q, want %q after %q", state, ran, open, hooks)
	}
}

// TestHooksRunAroundTheCopy takes the state from the snapshot and from the volume.
func TestHooksRunAroundTheCopy(t *testing.T) {
	t.Parallel()
	byEveryMethod(t, func(n *space) {
		flags := n.application()
		before := n.atRest().inventory()
		r := n.backup(0, append(flags, "--keep-job=0")...)
		if r.Outcome != result.Succeeded || r.Snapshot == nil {
			n.t.Fatalf("%+v", r)
		}
		n.leftNothing(before)
		restored := n.restored(r.Snapshot.ID)
		if state, ran := n.stateIn(restored), n.hooksIn(restored); state != closed || ran != "before" {
			n.t.Errorf("the snapshot was taken of an application that is %q, after the hooks %q", state, ran)
		}
		n.isLeft(hooksOnce)
	})
}

func TestAFailingHook(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot", Privileged: true})
	flags := n.application()
	before := n.atRest().inventory()
	flags[3] += "; exit 3"
	if r := n.backup(1, append(flags, "--keep-job=0")...); r.Snapshot != nil || !strings.Contains(r.Message, "exit code 3") {
		t.Errorf("%+v", r)
	}
	n.isLeft(hooksOnce)
	n.leftNothing(before)
	flags[3] = "true"
	flags[5] += "; exit 4"
	if r := n.backup(0, append(flags, "--keep-job=0")...); r.Outcome != result.SucceededWithWarnings || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
	n.isLeft(hooksOnce + " after")
	n.leftNothing(before)
}

package suite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The hooks of these tests write the application's state into its own volume, so
// that every snapshot says in which state it was taken.
const (
	open   = "open\n"
	closed = "closed\n"
)

// application runs the pod that the hooks run in, and returns the flags.
func (n *space) application() []string {
	n.t.Helper()
	kopiatest.Write(n.t, filepath.Join(n.data, "state"), open)
	n.pod("app", "data", "sleep 100000")
	n.until("the application runs", func(ctx context.Context) bool {
		p, err := shared.typed.CoreV1().Pods(n.name).Get(ctx, "app", metav1.GetOptions{})
		n.must(err)
		return p.Status.Phase == corev1.PodRunning
	})
	flags := []string{"--exec-in", "pod/app:main", "--exec-before", "echo closed > /data/state; echo at rest", "--exec-after", "echo open > /data/state"}
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
		if got := n.stateIn(n.restored(r.Snapshot.ID)); got != closed {
			n.t.Errorf("the snapshot was taken of an application that is %q", got)
		}
		if got := n.stateIn(n.data); got != open {
			n.t.Errorf("the application is left %q", got)
		}
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
	if got := n.stateIn(n.data); got != open {
		t.Errorf("the application is left %q", got)
	}
	n.leftNothing(before)
	flags[3] = "true"
	flags[5] += "; exit 4"
	if r := n.backup(0, append(flags, "--keep-job=0")...); r.Outcome != result.SucceededWithWarnings || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
	n.leftNothing(before)
}

// TestAKilledCommandLeavesNoHookUndone kills the command at each request between
// the note on the Job and the end of the after hook.
func TestAKilledCommandLeavesNoHookUndone(t *testing.T) {
	t.Parallel()
	for i, point := range []killPoint{
		{"PATCH jobs", 1, true}, // the after hook is due
		{"POST volumesnapshots", 1, false},
		{"POST volumesnapshots", 1, true},
		{"PATCH jobs", 2, false}, // the after hook was run, and that is not noted
	} {
		t.Run(point.String(), func(t *testing.T) {
			t.Parallel()
			n := newSpace(t, shape{CopyMethod: "Snapshot", Privileged: true})
			flags := n.application()
			before := n.atRest().inventory()
			n.killedAt(point, flags...)
			if i%2 == 0 {
				n.cleanup()
			} else {
				n.next(before)
			}
			n.leftNothing(before)
			if got := n.stateIn(n.data); got != open {
				t.Errorf("the application is left %q", got)
			}
		})
	}
}

package suite

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// TestAKilledCommandLeavesNoHookUndone kills the command at each request between
// the note on the Job and the end of the after hook, and looks at what it has left,
// and at what cleanup and the next run, or the next run alone, make of it.
func TestAKilledCommandLeavesNoHookUndone(t *testing.T) {
	t.Parallel()
	for i, row := range []struct {
		point killPoint
		// state and ran are the application's state, and the hooks that were run, when the
		// command is dead. Then the after hook is due, whether it was run or not.
		state, ran string
	}{
		{killPoint{"PATCH jobs", 1, true}, open, ""}, // the after hook is due, the before hook was not run
		{killPoint{"POST volumesnapshots", 1, false}, closed, "before"},
		{killPoint{"POST volumesnapshots", 1, true}, closed, "before"},
		{killPoint{"PATCH jobs", 2, false}, open, hooksOnce}, // that the after hook was run is not noted
	} {
		t.Run(row.point.String(), func(t *testing.T) {
			t.Parallel()
			n := newSpace(t, shape{CopyMethod: "Snapshot", Privileged: true})
			flags := n.application()
			before := n.atRest().inventory()
			n.killedAt(row.point, flags...)
			if state, ran := n.stateIn(n.data), n.hooksIn(n.data); state != row.state || ran != row.ran {
				t.Fatalf("killed %s the command left the application %q after the hooks %q, want %q after %q", row.point, state, ran, row.state, row.ran)
			}
			left := len(n.inventory()) - len(before)
			wanted := strings.TrimSpace(row.ran + " after")
			later := "0 (next run)"
			if i%2 == 0 {
				n.cleanup()
				n.leftNothing(before)
				n.isLeft(wanted)
				later = "0 (cleanup)"
			}
			n.next(before)
			n.isLeft(wanted)
			n.sound()
			t.Logf("killed %s: %s, hooks run: %q; left at once %d, later %s; hooks run in all: %q; repository sound, next run 0, restored as it is",
				row.point, strings.TrimSpace(row.state), row.ran, left, later, n.hooksIn(n.data))
		})
	}
}

// TestTheAfterHookIsRunWhenTheBackupFails after the before hook.
func TestTheAfterHookIsRunWhenTheBackupFails(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		method string
		// storage and snapshots are the parameters of classes of the row's own.
		storage, snapshots map[string]string
		args               []string
		code               int
		says               string
	}{
		"snapshot refused": {
			"Snapshot", nil, map[string]string{csidriver.CreateSnapshotFails: "always"},
			[]string{"--ready-timeout=20s"}, 6, `(?s)not taken within 20s.*createSnapshotFails=always`,
		},
		"snapshot never ready": {
			"Snapshot", nil, map[string]string{csidriver.SnapshotReadyAfter: "never"},
			[]string{"--ready-timeout=5s"}, 6, `not ready within 5s`,
		},
		"clone never bound": {
			"Clone", map[string]string{csidriver.CloneReadyAfter: "never"}, nil,
			[]string{"--bound-timeout=20s"}, 6, `(?s)not bound within 20s.*cloneReadyAfter`,
		},
		"mover cannot start": {
			"Direct", nil, nil,
			[]string{"--mover-image=volsync-kopia.test/none:1"}, 1, `ErrImagePull|ImagePullBackOff`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shape{CopyMethod: row.method, Privileged: true}
			if row.storage != nil {
				s.Class = storageClass(t, row.storage)
			}
			if row.snapshots != nil {
				s.Kopia = "    volumeSnapshotClassName: " + snapshotClass(t, row.snapshots) + "\n"
			}
			n := newSpace(t, s)
			flags := n.application()
			before := n.atRest().inventory()
			end := call(t, append(append([]string{"backup", "-f", n.file, "-o", "json", "--keep-job=0"}, flags...), row.args...)...)
			if r := end.result(t, row.code); r.Snapshot != nil || !regexp.MustCompile(row.says).MatchString(end.stderr) {
				t.Errorf("it does not say %s, or has a snapshot: %+v\n%s", row.says, r, end.stderr)
			}
			n.isLeft(hooksOnce)
			n.leftNothing(before)
		})
	}
}

// TestTheAfterHookIsRunWhenTheCommandIsCancelled between the hooks: while the
// snapshot is not taken, and while the mover reads the volume itself.
func TestTheAfterHookIsRunWhenTheCommandIsCancelled(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Direct"} {
		for _, row := range stopSignals() {
			t.Run(method+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				n := betweenHooks(t, method)
				flags := n.application()
				before := n.atRest().inventory()
				p := start(t, n.kubeconfig, append([]string{"backup", "-f", n.file, "-o", "json", "--keep-job=0"}, flags...)...)
				n.untilBetweenHooks(method)
				n.must(p.cmd.Process.Signal(row.signal))
				end := p.wait()
				if r := end.result(t, row.code); r.Outcome != result.Cancelled {
					t.Errorf("%+v\n%s", r, end.stderr)
				}
				n.isLeft(hooksOnce)
				n.leftNothing(before)
			})
		}
	}
}

// betweenHooks is a namespace whose backup stays between the hooks: its snapshot is
// never taken, or its mover uploads slowly.
func betweenHooks(t *testing.T, method string) *space {
	t.Helper()
	s := shape{CopyMethod: method, Privileged: true}
	if method == "Direct" {
		s.Kopia = "    additionalArgs: ['--upload-speed=4MB']\n"
		n := newSpace(t, s)
		n.random("large", 60)
		return n
	}
	s.Kopia = "    volumeSnapshotClassName: " + snapshotClass(t, map[string]string{csidriver.CreateSnapshotFails: "always"}) + "\n"
	return newSpace(t, s)
}

// untilBetweenHooks waits until a backup is there, and fails the test unless the
// before hook was run by then, and the after hook was not.
func (n *space) untilBetweenHooks(method string) {
	n.t.Helper()
	if method == "Direct" {
		n.untilUploading(1 << 20)
	} else {
		n.until("the driver refuses the snapshot", func(ctx context.Context) bool {
			list, err := shared.dynamic.Resource(inventoried()["snapshot"]).Namespace(n.name).List(ctx, metav1.ListOptions{})
			n.must(err)
			return slices.ContainsFunc(list.Items, func(o unstructured.Unstructured) bool {
				_, failed, _ := unstructured.NestedMap(o.Object, "status", "error")
				return failed
			})
		})
	}
	if state, ran := n.stateIn(n.data), n.hooksIn(n.data); state != closed || ran != "before" {
		n.t.Fatalf("the application is %q after the hooks %q, want %q after %q", state, ran, closed, "before")
	}
}

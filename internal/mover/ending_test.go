package mover_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// These two rows of the truth table are tests of their own: kopia tries again
// for half a minute, which passes beside the others.

func TestStorageFullAtTheFlush(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		truthRow{
			"a write that fails at the flush is no snapshot, although kopia prints an id",
			runFull, result.Failed, 7, "StorageFull", 0, func(t *testing.T, w *world, o outcome) {
				printedAndNotClaimed(t, w, o)
				if code, err := os.ReadFile(w.dir + "/code"); err != nil || string(code) != "1\n" {
					t.Errorf("kopia's exit status is %q, %v", code, err)
				}
			},
		}.cause(t, newWorld(t, kopia))
	})
}

func TestStorageReadOnlyAtTheFlush(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		truthRow{"storage that is read-only at the flush", runReadOnly, result.Failed, 7, "StorageReadOnly", 0, notClaimed}.
			cause(t, newWorld(t, kopia))
	})
}

// What is not the mover's own to write to is no failure of the source's.
func TestARepositoryThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, change := range map[string]func(w *world){
			"its policies": func(w *world) {
				w.task.Policy.Inline = []result.PolicyLayer{{From: "test", Policy: []byte(`{"retention":{"keepLatest":77}}`)}}
			},
			"its snapshots": func(w *world) { kopiatest.Write(t, w.data+"/new", "new") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				w.readableTree(t)
				w.runAs(t, nobody).want(t, result.Succeeded, 0, "")
				change(w)
				if out, err := exec.Command("chmod", "-R", "a-w", w.repo.Dir).CombinedOutput(); err != nil {
					t.Fatalf("chmod: %v\n%s", err, out)
				}
				o := w.runAs(t, nobody)
				o.want(t, result.Failed, 7, "StoragePermissionDenied")
				notClaimed(t, w, o)
				if !strings.Contains(o.Hint, "runAsUser") {
					t.Errorf("hint %q", o.Hint)
				}
			})
		}
	})
}

// printedAndNotClaimed checks that kopia named a snapshot and the Result does not.
func printedAndNotClaimed(t *testing.T, _ *world, o outcome) {
	t.Helper()
	if !strings.Contains(o.log, "Kopia printed snapshot ") {
		t.Errorf("kopia printed no id, so the row was not caused:\n%s", o.log)
	}
	notClaimed(t, nil, o)
}

// notClaimed checks that the Result names no snapshot. Whether kopia does depends
// on which of its writes to read-only storage gives up first.
func notClaimed(t *testing.T, _ *world, o outcome) {
	t.Helper()
	if o.Snapshot != nil {
		t.Errorf("the result claims snapshot %s", o.Snapshot.ID)
	}
}

// smallRepository puts the repository on a file system of its own, of 2 MiB.
func (w *world) smallRepository(t *testing.T) {
	t.Helper()
	kopiatest.NeedRoot(t)
	if err := syscall.Mount("tmpfs", w.repo.Dir, "tmpfs", 0, "size=2m"); err != nil {
		kopiatest.Unable(t, "mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(w.repo.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w.repo.Seed(t)
}

// runReadOnly makes the storage read-only before the snapshot is written.
func runReadOnly(t *testing.T, w *world) outcome {
	t.Helper()
	w.smallRepository(t)
	w.shim(t, `case "$*" in *"snapshot create"*) mount -o remount,ro "$REPO";; esac`)
	return w.run(t)
}

// runFull backs up more than the repository's file system holds.
func runFull(t *testing.T, w *world) outcome {
	t.Helper()
	w.smallRepository(t)
	random, err := os.ReadFile(w.data + "/sub dir/random.bin")
	if err != nil {
		t.Fatal(err)
	}
	var big strings.Builder
	for i := range 20 {
		fmt.Fprintf(&big, "%d", i)
		for j := range random {
			big.WriteByte(random[j] ^ byte(i*37+j%251))
		}
	}
	kopiatest.Write(t, w.data+"/big.bin", big.String())
	w.shim(t, `case "$*" in *"snapshot create"*) "$KOPIA" "$@"; code=$?; echo $code > "$DIR/code"; exit $code;; esac`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return w.runContext(ctx, t)
}

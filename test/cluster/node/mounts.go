package node

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// mountNamespace is a mount table of its own. Every mount of containerd, of the kubelet and of the CSI driver ends
// with the last process in it, and the machine's own table never changes.
type mountNamespace struct {
	work chan func()
}

// newMountNamespace makes the table: a copy of the machine's, with a tmpfs over each of the folders.
func newMountNamespace(folders []string) (*mountNamespace, error) {
	n := &mountNamespace{work: make(chan func())}
	made := make(chan error)
	// What is started from this thread inherits the table.
	go onPrivateThread(func() {
		made <- unshareMounts(folders)
		for f := range n.work {
			f()
		}
	})
	if err := <-made; err != nil {
		close(n.work)
		return nil, err
	}
	return n, nil
}

// onPrivateThread runs f on a thread that ends with it, so that what f changes of the thread, as its mount table, is
// seen by nobody but what f starts. It is never the main thread, which cannot end and is what /proc/self shows of the
// process. To be called with go.
func onPrivateThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return // and never unlocked
	}
	begun := make(chan struct{})
	go func() { // on another thread, because this one is taken
		runtime.LockOSThread()
		close(begun)
		f()
	}()
	<-begun
	runtime.UnlockOSThread()
}

func unshareMounts(folders []string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	// Cut off from the machine first; then shared within, as container runtimes want the root to be.
	for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", propagation|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("set the propagation of mounts: %w", err)
		}
	}
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", folder, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount a tmpfs on %s: %w", folder, err)
		}
	}
	return nil
}

// run calls f on the thread with the private table.
func (n *mountNamespace) run(f func() error) error {
	result := make(chan error)
	n.work <- func() { result <- f() }
	return <-result
}

func (n *mountNamespace) close() { close(n.work) }

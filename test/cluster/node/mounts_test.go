package node

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The main thread is what /proc/self shows of a process: with a private mount table on it, everything that reads its
// own table there would take the node's mounts for the machine's.
func TestAPrivateThreadIsNeverTheMainThread(t *testing.T) {
	private, main := 0, unix.Getpid()
	onMainThread(t, func() {
		begun := make(chan int)
		go onPrivateThread(func() { begun <- unix.Gettid() }) // this thread is free, so the scheduler takes it
		private = <-begun
	})
	if private == main {
		t.Errorf("the private thread is %d, the main thread", private)
	}
}

// onMainThread runs f on the process's main thread: goroutines take every other thread until one has got it.
func onMainThread(t *testing.T, f func()) {
	t.Helper()
	isMain, release, done := make(chan bool), make(chan struct{}), make(chan struct{})
	defer close(release)
	const threads = 100
	for range threads {
		go func() {
			runtime.LockOSThread()
			main := unix.Gettid() == unix.Getpid()
			isMain <- main
			if !main {
				<-release
				return
			}
			runtime.UnlockOSThread()
			defer close(done)
			f()
		}()
		if <-isMain {
			<-done
			return
		}
	}
	t.Fatalf("none of %d threads is the main one", threads)
}

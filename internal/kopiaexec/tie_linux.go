package kopiaexec

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
)

// tie makes the kernel kill cmd when this process dies, however it dies: a kopia
// that outlived its mover would write to the repository while its locks are
// free. To be called before Start, after ownGroup; the caller runs release when
// cmd has ended.
//
// Linux watches the thread that starts a process, not the whole program, so that
// thread is kept until then.
func tie(cmd *exec.Cmd) (release func()) {
	runtime.LockOSThread()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}

// ownSession starts cmd in a session of its own: killSession then finds also what the
// child started in groups of their own. SIGTERM goes to cmd alone, not to its group, in
// which a process is between its fork and its exec: a kopia that ends before the mover
// has heard why looks like one that has failed.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
}

// killSession ends whatever the finished cmd left running in its session. It
// looks again until it finds nothing: a process may be forking just now.
func killSession(cmd *exec.Cmd) {
	const rounds = 10 // a process that the kernel cannot end must not hold us up
	for range rounds {
		left := session(cmd.Process.Pid)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
	}
}

// session lists the living processes of a session.
func session(id int) []int {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var found []int
	for _, file := range files {
		// It may be gone by now.
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (name) state parent group session: the name may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 4 || string(fields[3]) != strconv.Itoa(id) || slices.Contains([]string{"Z", "X"}, string(fields[0])) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

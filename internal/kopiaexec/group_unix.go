//go:build unix

package kopiaexec

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup starts cmd in a process group of its own, so that a Ctrl-C at the
// terminal reaches only us and we decide what the child hears; ending cmd's
// context then sends SIGTERM to the group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return signalGroup(cmd, syscall.SIGTERM) }
}

// killGroup ends whatever the finished cmd left running in its group.
func killGroup(cmd *exec.Cmd) {
	// The usual answer is that nothing was left.
	_ = signalGroup(cmd, syscall.SIGKILL)
}

// signalGroup returns os.ErrProcessDone for a group that is gone: its process
// may have been reaped in the same instant, and os/exec takes any other error
// for a failure of a run that was none.
func signalGroup(cmd *exec.Cmd, signal syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, signal)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

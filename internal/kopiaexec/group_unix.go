//go:build unix

package kopiaexec

import (
	"os/exec"
	"syscall"
)

// ownGroup starts cmd in a process group of its own, so that a Ctrl-C at the
// terminal reaches only us and we decide what the child hears; ending cmd's
// context then sends SIGTERM to the group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// killGroup ends whatever the finished cmd left running in its group.
func killGroup(cmd *exec.Cmd) {
	// The usual answer is ESRCH: nothing was left.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

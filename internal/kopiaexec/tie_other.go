//go:build !linux

package kopiaexec

import "os/exec"

// tie does nothing: only Linux ends a process with the one that started it.
func tie(*exec.Cmd) (release func()) { return func() {} }

// ownSession is ownGroup where the processes of a session cannot be listed.
func ownSession(cmd *exec.Cmd) { ownGroup(cmd) }

// killSession ends what the finished cmd left in its group.
func killSession(cmd *exec.Cmd) { killGroup(cmd) }

//go:build !unix

package kopiaexec

import "os/exec"

// ownGroup leaves cmd as it is: without Unix signals the end of its context
// kills it.
func ownGroup(*exec.Cmd) {}

// killGroup has nothing to do without process groups.
func killGroup(*exec.Cmd) {}

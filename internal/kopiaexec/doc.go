// Package kopiaexec is the only package that starts a process: kopia itself,
// and the actions that a manifest has around a snapshot.
//
// It knows how kopia behaves where that differs from what its exit code says:
// the standard output is decoded before the error is looked at, and an error is
// named from the text that kopia printed (see classify.go).
package kopiaexec

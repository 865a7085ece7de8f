// Package version holds what the release stamps into the binary.
package version

// Version is the release, without a leading v. A development build says so.
//
//nolint:gochecknoglobals // set by the linker
var Version = "0.0.0-dev"

// MoverImage is the release's own mover image by digest; empty in a
// development build, which has no default and says so.
//
//nolint:gochecknoglobals // set by the linker
var MoverImage = ""

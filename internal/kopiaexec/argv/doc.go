// Package argv decides what kopia is started with.
//
// It holds the flags of every supported kopia version as tables that
// tools/flagtables reads out of the real programs, judges the additionalArgs
// of a manifest against them (Classify), and builds the argument vectors of
// every kopia process that this product starts.
//
// Everything here is a pure function over plain data. No vector holds a
// secret: passwords and storage credentials reach kopia through files and
// standard input only.
package argv

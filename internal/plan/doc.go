// Package plan decides what a run will do, and says it as plain data.
//
// [BuildBackup] is a pure function from the manifest, the recorded [Facts] of
// the cluster, an [Env] and the user's [Options] to a [Plan]. A dry run prints
// that value and a real run executes that same value: the executor fills the
// holes of the templates from the steps before and invents nothing.
package plan

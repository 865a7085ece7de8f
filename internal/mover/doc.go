// Package mover is the in-pod half of the product: a Task in, events and one
// Result out. It drives kopia and knows nothing of Kubernetes.
//
// A run succeeds only when a fresh kopia process has found the snapshot and
// what it needs in the storage. Kopia's exit code, its log and the id that it
// prints are never enough (judge.go has the table).
package mover

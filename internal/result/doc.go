// Package result holds the wire types between the plugin and the mover: the
// Task that goes in, the Events and the one bounded Result that come out.
//
// All of them are versioned JSON. None of them ever holds a secret: credentials
// reach the mover as a directory of files (Task.Repository.SecretDir).
package result

// APIVersion is the version of every JSON document of this product.
const APIVersion = "volsync-kopia/v1"

// The kinds of the documents.
const (
	KindTask   = "Task"
	KindEvent  = "Event"
	KindResult = "Result"
)

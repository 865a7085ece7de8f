package csidriver

import "testing"

// TestLocks: a source is copied by several calls at once, but neither made nor
// deleted meanwhile.
func TestLocks(t *testing.T) {
	t.Parallel()
	var l locks
	take := func(lock func(string) (func(), error), what string, free bool) func() {
		t.Helper()
		release, err := lock("id")
		if (err == nil) != free {
			t.Fatalf("%s: %v", what, err)
		}
		return release
	}
	copying := take(l.shared, "first copy", true)
	second := take(l.shared, "second copy", true)
	take(l.exclusive, "delete while two copy", false)
	copying()
	take(l.exclusive, "delete while one copies", false)
	second()
	deleting := take(l.exclusive, "delete", true)
	take(l.exclusive, "delete twice", false)
	take(l.shared, "copy while it is deleted", false)
	deleting()
	take(l.shared, "copy afterwards", true)
}

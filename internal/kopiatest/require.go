package kopiatest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Unable ends a test that this machine cannot run, for the reason given as in
// "cannot mount: %v": it is skipped, or with "kopia" in VK_REQUIRE it fails, so
// that no row vanishes in silence where all are to run.
func Unable(t testing.TB, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), "kopia") {
		t.Fatalf("VK_REQUIRE has kopia, but this test cannot run here: "+format, args...)
	}
	t.Skipf("skipped: "+format, args...)
}

// NeedRoot ends a test that mounts, changes owners or gives up rights, unless it
// runs as root: see Unable.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unable(t, "only root can do this")
	}
}

package kopiatest_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// recorder is a test that is told to end.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.said = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestUnableFailsWhereEverythingIsToRun(t *testing.T) {
	for required, want := range map[string]string{
		"":              "skip: skipped: cannot mount: x",
		"cluster":       "skip: skipped: cannot mount: x",
		"kopia":         "fatal: VK_REQUIRE has kopia, but this test cannot run here: cannot mount: x",
		"cluster,kopia": "fatal: VK_REQUIRE has kopia, but this test cannot run here: cannot mount: x",
	} {
		t.Setenv("VK_REQUIRE", required)
		r := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			kopiatest.Unable(r, "cannot mount: %s", "x")
			r.said = "went on"
		}()
		<-done
		if r.said != want {
			t.Errorf("VK_REQUIRE=%q: %q, want %q", required, r.said, want)
		}
	}
}

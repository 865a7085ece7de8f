package kopiatest_test

import (
	"os"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

func TestMain(m *testing.M) {
	kopiatest.LaunchIfAsked()
	os.Exit(m.Run())
}

// What a test itself holds is no part of what it measures.
func TestLauncherMeasuresTheProgramAlone(t *testing.T) {
	t.Parallel()
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	u := kopiatest.Measure(t, nil, "/bin/sh", "-c", "echo [$VK_BENCH_LAUNCHER]; echo said >&2; sleep 0.1; exit 3")
	if u.RSS == 0 || u.RSS > int64(len(ballast))/2 || u.Wall < 100*time.Millisecond {
		t.Errorf("%d MiB in %s", u.RSS>>20, u.Wall)
	}
	if u.Code != 3 || string(u.Stdout) != "[]\n" || string(u.Stderr) != "said\n" {
		t.Errorf("exit code %d, output %q and %q", u.Code, u.Stdout, u.Stderr)
	}
	if u.Floor == 0 || u.Measured() {
		t.Errorf("a shell of %d KiB passes for larger than its launcher of %d KiB", u.RSS>>10, u.Floor>>10)
	}
	if ballast[0] != 1 {
		t.Error("the ballast is gone")
	}
}

package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// launcher in the environment makes this test binary start the program of its
// arguments and tell what it took. To the kernel the peak of a process includes
// the memory of the one that forked it; that of the benchmark grows with what it
// prepares, a fresh launcher is smaller than anything that is measured.
const launcher = "VK_BENCH_LAUNCHER"

// used is what one command took. The launcher writes it to file descriptor 3.
type used struct {
	Wall   time.Duration
	RSS    int64 // bytes
	stdout []byte
}

func TestMain(m *testing.M) {
	if os.Getenv(launcher) == "" {
		os.Exit(m.Run())
	}
	os.Exit(launch(os.Args[1:], os.NewFile(3, "used")))
}

func launch(args []string, report *os.File) int {
	syscall.CloseOnExec(int(report.Fd()))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, launcher+"=") })
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	if err := cmd.Run(); cmd.ProcessState == nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	u := used{Wall: time.Since(begin)}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.RSS = r.Maxrss << 10
	}
	if err := json.NewEncoder(report).Encode(u); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// What the benchmark itself holds is no part of what it measures.
func TestLauncherMeasuresTheProgramAlone(t *testing.T) {
	t.Parallel()
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	u := (&bench{dir: t.TempDir()}).run(t, nil, "/bin/sh", "-c", "echo [$"+launcher+"]; sleep 0.1")
	if u.RSS == 0 || u.RSS > int64(len(ballast))/2 || u.Wall < 100*time.Millisecond || string(u.stdout) != "[]\n" {
		t.Errorf("%d MiB in %s, output %q", u.RSS>>20, u.Wall, u.stdout)
	}
	if ballast[0] != 1 {
		t.Error("the ballast is gone")
	}
}

package kopiatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// launcher in the environment makes a test binary start the program of its
// arguments and tell what it took. To the kernel the peak of a process includes
// the memory of the one that forked it; that of a benchmark grows with what it
// prepares, a fresh launcher is smaller than anything that is measured.
const launcher = "VK_BENCH_LAUNCHER"

// Used is what one program took, and how it ended.
type Used struct {
	Wall time.Duration
	// RSS is the program's largest resident size in bytes. One that is not above
	// Floor, the launcher's, says nothing: see Measured.
	RSS, Floor     int64
	Code           int
	Stdout, Stderr []byte `json:"-"`
}

// Measured reports whether RSS is the program's own.
func (u Used) Measured() bool { return u.RSS > u.Floor }

// LaunchIfAsked makes this process the launcher of Measure, and then does not
// return. A TestMain whose tests measure calls it first.
func LaunchIfAsked() {
	if os.Getenv(launcher) != "" {
		os.Exit(launch(os.Args[1:], os.NewFile(3, "used")))
	}
}

// launch runs a program and writes what it took to report.
func launch(args []string, report *os.File) int {
	syscall.CloseOnExec(int(report.Fd()))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, launcher+"=") })
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	floor, err := highWater()
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	begin := time.Now()
	if err := cmd.Run(); cmd.ProcessState == nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	u := Used{Wall: time.Since(begin), Floor: floor, Code: cmd.ProcessState.ExitCode()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.RSS = r.Maxrss << 10
	}
	if err := json.NewEncoder(report).Encode(u); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return u.Code
}

// highWater is the largest resident size of this process so far, in bytes. The
// kernel's figure for a whole process would include that of the one that forked it.
func highWater() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmHWM:"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

// Measure runs a program with this environment, by way of a launcher. One that
// could not be started fails the test.
func Measure(t testing.TB, env []string, args ...string) Used {
	t.Helper()
	if os.Getenv(launcher) != "" {
		t.Fatal("TestMain does not call LaunchIfAsked first")
	}
	report, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append([]string{launcher + "=1"}, env...)
	cmd.ExtraFiles = []*os.File{end}
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	err = cmd.Run()
	_ = end.Close()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	u := Used{Stdout: out.Bytes(), Stderr: errText.Bytes()}
	if err := json.NewDecoder(report).Decode(&u); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errText.String())
	}
	return u
}

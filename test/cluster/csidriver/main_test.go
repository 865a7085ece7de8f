package csidriver_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// inNamespace marks the process that runs the tests.
const inNamespace = "CSIDRIVER_TEST_IN_MOUNT_NAMESPACE"

// TestMain runs the tests again in a mount namespace of their own: what they
// mount is not seen outside and goes with them.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inNamespace) != "" {
		os.Exit(m.Run())
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inNamespace+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Go makes every mount of the new namespace private. A test that is killed
	// takes its namespace along.
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := again.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1))
	case err != nil:
		fmt.Fprintln(os.Stderr, "run the tests in a mount namespace:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// needsRoot skips a test that mounts or changes owners. With VK_REQUIRE=cluster
// it fails instead.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), "cluster") {
		t.Fatal("VK_REQUIRE has cluster, but this is not root")
	}
	t.Skip("skipped: needs root")
}

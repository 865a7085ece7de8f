package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// ended is how one call of the command ended.
type ended struct {
	code           int
	stdout, stderr string
}

// call runs the command with its arguments, as somebody who has the printed Role in
// the test's namespace and no other right.
func call(t testing.TB, args ...string) ended {
	t.Helper()
	return callAs(t, callerOf(t), args...)
}

// callAs runs the command with another kubeconfig.
func callAs(t testing.TB, kubeconfig string, args ...string) ended {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute) // no command that is waited for takes as long
	defer stop()
	cmd, stdout, stderr := command(ctx, kubeconfig, args...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// command is the command, ready to be started.
func command(ctx context.Context, kubeconfig string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.CommandContext(ctx, shared.command, args...)
	cmd.Env = environment(kubeconfig)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// environment is what the command is given, and nothing else.
func environment(kubeconfig string) []string {
	return []string{
		"KUBECONFIG=" + kubeconfig, "VOLSYNC_KOPIA_MOVER_IMAGE=" + moverImage,
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(),
	}
}

// backup runs backup on the namespace's manifest and returns its Result. code is
// the exit code that is wanted.
func (n *space) backup(code int, args ...string) result.Result {
	n.t.Helper()
	end := call(n.t, append([]string{"backup", "-f", n.file, "-o", "json", "--progress=plain"}, args...)...)
	if end.code != code {
		n.t.Fatalf("exit code %d, want %d\n%s\n%s", end.code, code, end.stdout, end.stderr)
	}
	var r result.Result
	if err := json.Unmarshal([]byte(end.stdout), &r); err != nil {
		n.t.Fatalf("%v\n%s\n%s", err, end.stdout, end.stderr)
	}
	return r
}

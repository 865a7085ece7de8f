package cmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

const readSecret = `apiVersion: v1
kind: Secret
metadata: {name: kopia-config, namespace: prod}
stringData: {KOPIA_PASSWORD: x, KOPIA_REPOSITORY: "filesystem:///nowhere"}
`

// TestADisplayEndsWithItsCommand begins a run that cannot be put on record.
func TestADisplayEndsWithItsCommand(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{"source.yaml": validateGood, "secret.yaml": readSecret, "file": ""})
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	streams, _, _, errOut := genericiooptions.NewTestIOStreams()
	code := Main(t.Context(), NewFactory(streams), []string{
		"restore", "--local", "-f", filepath.Join(dir, "source.yaml"), "-f", filepath.Join(dir, "secret.yaml"), "--progress=plain",
		"--state-dir", filepath.Join(dir, "file"), "--repository-dir", dir, "--target-dir", filepath.Join(dir, "out"), "--kopia", program,
	})
	if code != fault.Refused.ExitCode() || !strings.Contains(errOut.String(), "put the run on record") {
		t.Fatalf("exit %d\n%s", code, errOut.String())
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if strings.Contains(string(stacks), "ui.(*plain)") {
		t.Errorf("a display goes on:\n%s", stacks)
	}
}

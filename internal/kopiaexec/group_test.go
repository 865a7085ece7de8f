//go:build unix

package kopiaexec

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// The end of the context and that of the process may come together; os/exec
// takes any answer but this one for a failure of the run.
func TestCancelOfAnEndedProcessIsNoError(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "exit 0")
	ownGroup(cmd)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Cancel(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("the answer is %v, want %v", err, os.ErrProcessDone)
	}
}

package local

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

type unheard struct{}

func (unheard) Observe(result.Event) {}

// TestTheMoverEndsWithItsTime, as the plan shows it, also when the command itself has no
// limit: as the deadline of a KopiaMaintenance.
func TestTheMoverEndsWithItsTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mover := filepath.Join(dir, "mover")
	if err := os.WriteFile(mover, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	target := &Target{
		WorkDir: dir, Executable: mover, Env: []string{"PATH=" + os.Getenv("PATH")}, Observer: unheard{}, Stderr: io.Discard, Now: time.Now,
		Plan: plan.Plan{Task: &result.Task{Operation: result.OperationMaintenance}}, Run: begin(t, dir, "run-1", filepath.Join(dir, "work")),
	}
	began := time.Now()
	_, err := target.Do(t.Context(), plan.Step{
		Kind: plan.StepRun, Waits: []plan.Wait{{For: plan.UntilEnded, Timeout: result.Duration(100 * time.Millisecond)}},
	}, nil)
	if fault.KindOf(err) != fault.TimedOut || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

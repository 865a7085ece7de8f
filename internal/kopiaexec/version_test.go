package kopiaexec_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

func TestAScriptIsAskedForItsVersionOnceUntilItChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, memory := filepath.Join(dir, "kopia"), filepath.Join(dir, "memory.json")
	write := func(version string, at time.Time) {
		t.Helper()
		kopiatest.Script(t, program, "#!/bin/sh\necho "+version+" build: x\n")
		if err := os.Chtimes(program, at, at); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(want string, processes int) {
		t.Helper()
		r := &kopiaexec.Runner{Kopia: program, Env: []string{"PATH=" + kopiaexec.DefaultPath}}
		got, err := r.Version(t.Context(), memory)
		if err != nil || got != want || r.Processes() != processes {
			t.Errorf("version %q, %v, %d processes; want %q, %d", got, err, r.Processes(), want, processes)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	write("0.22.3", now)
	ask("0.22.3", 1)
	ask("0.22.3", 0)
	write("0.23.1", now.Add(time.Second))
	ask("0.23.1", 1)
	if err := os.WriteFile(memory, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("0.23.1", 1)
}

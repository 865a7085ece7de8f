package process_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
)

func newGroup(t *testing.T) process.Group {
	t.Helper()
	return process.Group{Records: t.TempDir(), Logs: t.TempDir()}
}

// startShell starts a daemon and returns when it has written "up" to its log.
func startShell(t *testing.T, g process.Group, script string) *process.Daemon {
	t.Helper()
	d, err := g.Start("shell", "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Signal(unix.SIGKILL) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = process.Wait(ctx, "the shell", func(context.Context) error {
		data, err := os.ReadFile(filepath.Join(g.Logs, "shell.log"))
		if err == nil && !strings.Contains(string(data), "up") {
			err = errors.New("not up")
		}
		return err
	}, d)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestStop(t *testing.T) {
	const loop = " TERM; echo up; while :; do sleep 0.1; done"
	tests := map[string]struct {
		script string
		grace  time.Duration
		// least is how long the stop takes, said what the log then has after "up".
		least time.Duration
		said  string
	}{
		"ends at SIGTERM":         {"trap 'echo term; exit'" + loop, time.Minute, 0, "term\n"},
		"does not heed SIGTERM":   {"trap 'echo term'" + loop, 2 * time.Second, 2 * time.Second, "term\n"},
		"is given no time at all": {"trap 'echo term'" + loop, 0, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			d := startShell(t, g, test.script)
			if !d.Alive() {
				t.Fatal("a running daemon is reported as ended")
			}
			begun := time.Now()
			if err := g.Stop(t.Context(), "shell", test.grace); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took < test.least || took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if said, err := os.ReadFile(filepath.Join(g.Logs, "shell.log")); err != nil || string(said) != "up\n"+test.said {
				t.Errorf("the daemon said %q (%v)", said, err)
			}
			if d.Alive() {
				t.Error("the daemon is alive")
			}
			if names, err := g.Names(); err != nil || len(names) > 0 {
				t.Errorf("records %v are left (%v)", names, err)
			}
			if err := g.Stop(t.Context(), "shell", 0); err != nil {
				t.Errorf("a second stop: %v", err)
			}
		})
	}
}

// A recorded id may have passed to a process of somebody else.
func TestAnotherProcessWithTheRecordedIDIsLeftAlone(t *testing.T) {
	d := startShell(t, newGroup(t), "echo up; exec sleep 60")
	stale := process.Record{PID: d.PID, Started: d.Started - 1}
	if stale.Alive() {
		t.Error("it passes for the recorded one")
	}
	if err := process.Stop(t.Context(), stale, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if !d.Alive() {
		t.Error("it was killed")
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read line")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}()
	record, err := process.Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = stdin.Close()
	deadline := time.Now().Add(10 * time.Second)
	for record.Alive() {
		if time.Now().After(deadline) {
			t.Fatal("an ended process that nobody waited for counts as alive")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWaitTellsWhyADaemonEnded(t *testing.T) {
	g := newGroup(t)
	d, err := g.Start("broken", "/bin/sh", "-c", "echo no such flag; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	err = process.Wait(t.Context(), "its port", func(context.Context) error { return errors.New("refused") }, d)
	if err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("got %v, want the end of its log", err)
	}
}

func TestWaitTellsWhatItLastSaw(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	refused := errors.New("refused")
	if err := process.Wait(ctx, "a port", func(context.Context) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v, want the last error in it", err)
	}
}

package kopiaexec

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

// These make TestStandInMover a process that does what a mover does. The first is
// what it runs: "kopia" or "action". The second is a directory for its script: it
// is killed, so that one of its own would stay.
const (
	standIn    = "VK_TEST_STAND_IN"
	standInDir = "VK_TEST_STAND_IN_DIR"
)

// standInEnv is the environment of a stand-in.
func standInEnv(t *testing.T, what string) []string {
	t.Helper()
	return append(os.Environ(), standIn+"="+what, standInDir+"="+t.TempDir())
}

// TestStandInMover tests nothing: others start it as a process of its own, which
// runs something long and ignores SIGTERM.
func TestStandInMover(t *testing.T) {
	what := os.Getenv(standIn)
	if what == "" {
		return
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)
	say := func(line string) { _, _ = os.Stdout.WriteString(line + "\n") }
	script := filepath.Join(os.Getenv(standInDir), "long")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho pid $$ >&2\nsleep 300 &\necho pid $! >&2\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + DefaultPath}
	ctx := context.WithoutCancel(t.Context())
	if what == "kopia" {
		r := &Runner{Kopia: script, Env: env, Grace: time.Minute, OnLog: say}
		_, _ = r.Run(ctx, Call{Command: argv.Command{}})
		return
	}
	a := Action{Name: "x", Command: "exec " + script, Dir: "/", Env: env, Timeout: time.Hour}
	_, _ = a.Run(ctx, say)
}

// pids collects the processes that a stand-in names: first what it started,
// then a child of that.
type pids struct {
	mu   sync.Mutex
	list []string
	both chan struct{}
}

func newPids() *pids { return &pids{both: make(chan struct{})} }

func (p *pids) line(line string) {
	pid, ok := strings.CutPrefix(line, "pid ")
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list = append(p.list, pid); len(p.list) == 2 {
		close(p.both)
	}
}

// end kills those that still live.
func (p *pids) end(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pid := range p.list {
		end(t, pid)
	}
}

// gone waits for the end of a process.
func gone(pid string) bool {
	for range 100 {
		state, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil || strings.Contains(string(state), ") Z ") {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// A mover that is killed takes with it what writes to the repository, also when
// nobody is left to kill that.
func TestWhatAKilledMoverRanEndsWithIt(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"kopia", "action"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			seen := newPids()
			mover := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStandInMover$")
			mover.Env = standInEnv(t, what)
			mover.Stdout, mover.WaitDelay = &lineWriter{log: seen.line}, time.Second
			if err := mover.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = mover.Process.Kill() // after a failure it lives
				_ = mover.Wait()
				seen.end(t) // only a Child can reach the second
			})
			select {
			case <-seen.both:
			case <-time.After(30 * time.Second):
				t.Fatal("the stand-in has started nothing")
			}
			if err := mover.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = mover.Wait()
			if !gone(seen.list[0]) {
				t.Errorf("the %s is still there", what)
			}
		})
	}
}

func end(t *testing.T, pid string) {
	t.Helper()
	if err := exec.Command("/bin/sh", "-c", "kill -KILL "+pid+" 2>/dev/null || true").Run(); err != nil {
		t.Error(err)
	}
}

// A mover that does not end in time is killed with everything below it.
func TestChildLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"kopia", "action"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			seen := newPids()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			go func() {
				select {
				case <-seen.both:
					cancel()
				case <-ctx.Done():
				}
			}()
			child := Child{
				Executable: os.Args[0], Args: []string{"-test.run=^TestStandInMover$"},
				Env: standInEnv(t, what), Grace: 200 * time.Millisecond, OnLine: seen.line,
			}
			ended, err := child.Run(ctx)
			if err != nil || ended.ExitCode != -1 || ended.Terminated {
				t.Errorf("%+v, %v", ended, err)
			}
			t.Cleanup(func() { seen.end(t) })
			if len(seen.list) != 2 {
				t.Fatalf("the stand-in has started %q", seen.list)
			}
			for _, pid := range seen.list {
				if !gone(pid) {
					t.Errorf("process %s is still there", pid)
				}
			}
		})
	}
}

// Nobody can be told a line that is too long, but the mover must not wait for
// its reader either.
func TestChildReadsPastALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	child := Child{
		Executable: "/bin/sh", Args: []string{"-c", "head -c 1000000 /dev/zero | tr '\\000' x; echo; echo end >&2"},
		Env: []string{"PATH=" + DefaultPath}, Grace: time.Second, OnLine: func(string) {}, maxLine: 100_000,
	}
	var stderr strings.Builder
	child.Stderr = &stderr
	_, err := child.Run(ctx)
	if err == nil || ctx.Err() != nil || stderr.String() != "end\n" {
		t.Errorf("error %v, context %v, stderr %q", err, ctx.Err(), stderr.String())
	}
}

// What a mover has just started is in its group for a moment. Only the mover is told to
// stop, and tells the rest: a kopia that ends by itself is a failure, and no cancel.
func TestOnlyTheMoverIsToldToStop(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	const mover = `trap 'sleep 0.3; kill -KILL $!; exit 7' TERM
sh -c 'trap "echo told" TERM; echo ready; while :; do sleep 0.01; done' &
wait`
	var lines []string
	end, err := Child{Executable: "/bin/sh", Args: []string{"-c", mover}, Env: []string{"PATH=" + DefaultPath}, Grace: time.Minute, Stderr: os.Stderr, OnLine: func(line string) {
		if lines = append(lines, line); line == "ready" {
			stop()
		}
	}}.Run(ctx)
	if err != nil || end.ExitCode != 7 || len(lines) != 1 {
		t.Errorf("%+v, %v, %q", end, err, lines)
	}
}

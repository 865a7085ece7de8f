package kopiaexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// maxStdout bounds what kopia may print: a list of snapshots is the longest.
const maxStdout = 256 << 20

// Runner starts kopia, one process at a time.
type Runner struct {
	// Kopia is the program's path.
	Kopia string
	// Env is the whole environment; nothing is inherited.
	Env []string
	// Grace is how long kopia may take after SIGTERM before it is killed.
	Grace time.Duration
	// OnProgress is told how far an upload or restore is. It may be nil.
	OnProgress func(result.Progress)
	// Redact hides secrets in lines that are cut before OnLog sees them. It may be nil.
	Redact func(string) string
	// OnLog is given each line that kopia logs. It may be nil.
	OnLog func(string)

	processes atomic.Int32
}

// Call is one start of kopia.
type Call struct {
	argv.Command
	// Stdin is given to the process and then closed; nil: nothing.
	Stdin io.Reader
	// Dir is the working directory; empty: the caller's.
	Dir string
}

// Output is what a kopia process left behind.
type Output struct {
	Stdout []byte
	// Log holds the last lines of standard error, without progress.
	Log []string
	// ExitCode is 0 or 1 for a kopia that ended by itself, -1 after a signal.
	ExitCode int
	// Signal is the one that ended the process, or 0.
	Signal syscall.Signal
	// Progress is the last that was seen.
	Progress result.Progress
}

// OK reports whether kopia said that it succeeded.
func (o Output) OK() bool { return o.ExitCode == 0 }

// Processes returns how many times kopia was started.
func (r *Runner) Processes() int { return int(r.processes.Load()) }

// Run starts kopia and waits for its end. When ctx ends, kopia gets SIGTERM and
// Grace to finish: it then saves what it has, and exits 0. That is why an Output is returned
// for every process that was started, and an error only for one that was not,
// or whose output could not be read.
func (r *Runner) Run(ctx context.Context, call Call) (Output, error) {
	cmd := exec.CommandContext(ctx, r.Kopia, call.Args...)
	cmd.Env = r.Env
	cmd.Dir = call.Dir
	cmd.Stdin = call.Stdin
	stdout := &boundedBuffer{limit: maxStdout}
	stderr := &stderrSplitter{onProgress: r.OnProgress, onLog: r.OnLog, redact: r.Redact}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	ownGroup(cmd)
	defer tie(cmd)()
	cmd.WaitDelay = r.Grace
	if err := ctx.Err(); err != nil {
		return Output{ExitCode: -1}, fmt.Errorf("kopia was not started: %w", context.Cause(ctx))
	}
	r.processes.Add(1)
	if err := cmd.Start(); err != nil {
		return Output{ExitCode: -1}, fmt.Errorf("start kopia: %w", err)
	}
	err := cmd.Wait()
	killGroup(cmd)
	stderr.flush()
	out := Output{
		Stdout: stdout.Bytes(), Log: stderr.log, Progress: stderr.progress,
		ExitCode: cmd.ProcessState.ExitCode(),
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		out.Signal = ws.Signal()
	}
	if stdout.exceeded {
		return out, fmt.Errorf("kopia printed more than %d bytes", maxStdout)
	}
	if !endedByItself(err) {
		return out, fmt.Errorf("wait for kopia: %w", err)
	}
	return out, nil
}

// endedByItself reports whether Wait's error says no more than the exit status
// does: an exit code, the end of ctx, or pipes that a grandchild held open.
func endedByItself(err error) bool {
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, exec.ErrWaitDelay)
}

// boundedBuffer keeps up to limit bytes and remembers that there were more.
type boundedBuffer struct {
	bytes.Buffer
	limit    int
	exceeded bool
}

// Write implements io.Writer. It never fails: a full pipe would block kopia.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.exceeded = true
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// Find looks a program up: a path as it is, a name on PATH.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("find kopia: %w", err)
	}
	return filepath.Abs(path)
}

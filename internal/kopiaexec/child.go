package kopiaexec

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Child is the mover as a process of this machine: this program's own mover
// command, in a session of its own so that a terminal's Ctrl-C reaches
// the command alone, which then asks the mover to stop.
type Child struct {
	// Executable is this program; Args are the mover command's.
	Executable string
	Args       []string
	// Env is the whole environment; nothing is inherited.
	Env []string
	// Grace is how long the mover may take after SIGTERM before it is killed.
	Grace time.Duration
	// OnLine is given each line of the mover's log.
	OnLine func(string)
	// Stderr takes what the mover says outside its log: nothing, but for a
	// fault before it could begin.
	Stderr io.Writer

	// maxLine is maxLogLine, but for a test.
	maxLine int
}

// ParentFD is the file descriptor on which a Child sees its parent's death: the
// read end of a pipe that nobody writes to.
const ParentFD = 3

// maxLogLine bounds a line of the mover's log; a list of snapshots is the longest.
const maxLogLine = 256 << 20

// Ended is how a Child ended.
type Ended struct {
	// ExitCode is -1 after a signal.
	ExitCode int
	// Terminated is true when SIGTERM ended the mover by its default action, so
	// before the mover could catch it: nothing had been begun.
	Terminated bool
}

// Run starts the mover and waits for its end; when ctx ends the mover gets
// SIGTERM. The error says that it could not be run, not how it ended.
func (c Child) Run(ctx context.Context) (Ended, error) {
	alive, watched, err := os.Pipe()
	if err != nil {
		return Ended{}, fmt.Errorf("make the mover's pipe: %w", err)
	}
	defer func() { _ = watched.Close() }()
	cmd := exec.CommandContext(ctx, c.Executable, c.Args...)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = c.Env, c.Stderr, []*os.File{alive}
	cmd.WaitDelay = c.Grace
	ownSession(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return Ended{}, fmt.Errorf("make the mover's output: %w", err)
	}
	err = cmd.Start()
	_ = alive.Close()
	if err != nil {
		return Ended{}, fmt.Errorf("start the mover: %w", err)
	}
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, cmp.Or(c.maxLine, maxLogLine))
	for scanner.Scan() {
		c.OnLine(scanner.Text())
	}
	readErr := scanner.Err()
	// Nobody may stop reading: a mover whose pipe is full never ends.
	_, _ = io.Copy(io.Discard, stdout)
	err = cmd.Wait()
	killSession(cmd)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		return Ended{}, fmt.Errorf("wait for the mover: %w", err)
	}
	if readErr != nil && ctx.Err() == nil {
		return Ended{}, fmt.Errorf("read the mover's log: %w", readErr)
	}
	end := Ended{ExitCode: cmd.ProcessState.ExitCode()}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		end.Terminated = status.Signaled() && status.Signal() == syscall.SIGTERM
	}
	return end, nil
}

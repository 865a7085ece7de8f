package kopiaexec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Action is a command that a manifest has around a snapshot.
type Action struct {
	// Name is beforeSnapshot or afterSnapshot.
	Name string
	// Command is a shell command, or a script that starts with "#!".
	Command string
	// Dir is the working directory: the mounted volume.
	Dir string
	// ScriptDir is a private directory for a "#!" script.
	ScriptDir string
	// Env is the whole environment; nothing is inherited.
	Env []string
	// Timeout bounds it, as a deadline of Run's context does; at its end the whole
	// process group is killed.
	Timeout time.Duration
}

// actionKillDelay is what a timed-out action has between SIGTERM and SIGKILL.
const actionKillDelay = 5 * time.Second

// Run runs the action and gives each line of its output to log. The error says
// that it could not be started; how it ended stands in the report.
func (a Action) Run(ctx context.Context, log func(string)) (result.ActionReport, error) {
	report := result.ActionReport{Name: a.Name, ExitCode: -1}
	limited, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	cmd, remove, err := a.command(limited)
	if err != nil {
		return report, err
	}
	defer remove()
	out := &lineWriter{log: log}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env, cmd.Dir = a.Env, a.Dir
	ownGroup(cmd)
	defer tie(cmd)()
	// Judged when the signal is sent: an action that has ended by itself may keep
	// Wait past its limit, by a child that holds its output open.
	cancelCommand := cmd.Cancel
	cmd.Cancel = func() error {
		err := cancelCommand()
		report.TimedOut = err == nil && errors.Is(context.Cause(limited), context.DeadlineExceeded)
		return err
	}
	cmd.WaitDelay = actionKillDelay
	if err := cmd.Start(); err != nil {
		return report, fmt.Errorf("start the %s action: %w", a.Name, err)
	}
	err = cmd.Wait()
	killGroup(cmd)
	out.flush()
	report.ExitCode = cmd.ProcessState.ExitCode()
	if !endedByItself(err) {
		return report, fmt.Errorf("wait for the %s action: %w", a.Name, err)
	}
	return report, nil
}

// command makes the process: the shell for a command, the named interpreter for
// a script. The script is given to the interpreter as a file, so that it also
// runs from a volume that is mounted noexec.
func (a Action) command(ctx context.Context) (cmd *exec.Cmd, remove func(), err error) {
	line, isScript := strings.CutPrefix(a.Command, "#!")
	if !isScript {
		return exec.CommandContext(ctx, "/bin/sh", "-c", a.Command), func() {}, nil
	}
	line, _, _ = strings.Cut(line, "\n")
	interpreter, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	name := filepath.Join(a.ScriptDir, "action-"+a.Name)
	if err := writePrivate(name, []byte(a.Command)); err != nil {
		return nil, nil, fmt.Errorf("write the %s script: %w", a.Name, err)
	}
	args := []string{name}
	if argument = strings.TrimSpace(argument); argument != "" {
		args = []string{argument, name}
	}
	return exec.CommandContext(ctx, interpreter, args...), func() { _ = os.Remove(name) }, nil
}

// lineWriter hands on whole lines, so that whoever redacts them finds no secret
// cut in two.
type lineWriter struct {
	log     func(string)
	pending []byte
	// skipping is true inside a line of which enough was handed on.
	skipping bool
}

// Write implements io.Writer. Of a line of more than maxLineBytes the rest is
// left out.
func (w *lineWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n' && w.skipping:
			w.skipping = false
		case b == '\n':
			w.emit("")
		case w.skipping:
		default:
			w.pending = append(w.pending, b)
			if len(w.pending) >= maxLineBytes {
				w.emit("...")
				w.skipping = true
			}
		}
	}
	return len(p), nil
}

func (w *lineWriter) emit(mark string) {
	w.log(strings.ToValidUTF8(strings.TrimRight(string(w.pending), "\r"), "?") + mark)
	w.pending = w.pending[:0]
}

func (w *lineWriter) flush() {
	if len(w.pending) > 0 {
		w.emit("")
	}
}

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Group is the daemons of one cluster, each recorded in a file of its own.
type Group struct {
	// Records and Logs are folders that exist.
	Records, Logs string
	// Cgroup is the cgroup.procs files that a new daemon is entered in.
	Cgroup []string
}

// Daemon is a process that was started by this one.
type Daemon struct {
	Name string
	Record
	log  string
	done chan struct{}
}

// Start starts a program in a session of its own, its output going to NAME.log, and records it.
func (g Group) Start(name, program string, args ...string) (*Daemon, error) {
	d := &Daemon{Name: name, log: filepath.Join(g.Logs, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := g.record(d, cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(d.done)
	}()
	return d, nil
}

func (g Group) record(d *Daemon, pid int) error {
	record, err := Of(pid)
	if err != nil {
		return err
	}
	d.Record = record
	if err := os.WriteFile(filepath.Join(g.Records, d.Name), []byte(record.String()+"\n"), 0o644); err != nil {
		return err
	}
	for _, procs := range g.Cgroup {
		if err := os.WriteFile(procs, fmt.Appendf(nil, "%d", pid), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Wait polls until ready returns nil. It fails as soon as one of the daemons has ended, with the end of its log, and
// otherwise when the context ends, with what ready said last.
func Wait(ctx context.Context, what string, ready func(context.Context) error, needs ...*Daemon) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		for _, d := range needs {
			select {
			case <-d.done:
				return fmt.Errorf("%s ended while waiting for %s; the end of its log:\n%s", d.Name, what, tail(d.log, 20))
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", what, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Names lists the recorded daemons, running or not.
func (g Group) Names() ([]string, error) {
	entries, err := os.ReadDir(g.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// Find reads a record.
func (g Group) Find(name string) (Record, error) {
	data, err := os.ReadFile(filepath.Join(g.Records, name))
	if err != nil {
		return Record{}, err
	}
	return parse(string(data))
}

// Stop ends a recorded daemon: SIGTERM, and SIGKILL after the grace period. Without a record it does nothing.
func (g Group) Stop(ctx context.Context, name string, grace time.Duration) error {
	record, err := g.Find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := Stop(ctx, record, grace); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return os.Remove(filepath.Join(g.Records, name))
}

// Stop ends a process: SIGTERM, and SIGKILL after the grace period, at once if that is zero.
func Stop(ctx context.Context, r Record, grace time.Duration) error {
	if grace > 0 {
		if err := r.Signal(unix.SIGTERM); err != nil {
			return err
		}
		if gone(ctx, r, grace) {
			return nil
		}
	}
	if err := r.Signal(unix.SIGKILL); err != nil {
		return err
	}
	const killed = 10 * time.Second
	if !gone(ctx, r, killed) {
		return fmt.Errorf("process %d lives %s after SIGKILL", r.PID, killed)
	}
	return nil
}

func gone(ctx context.Context, r Record, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for r.Alive() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

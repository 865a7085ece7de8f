package cmd

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// execFlags are the application's hooks as typed.
type execFlags struct {
	in, before, after string
	timeout           time.Duration
}

func (e *execFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&e.in, "exec-in", "", "the application: pod/NAME or deploy/NAME, with :CONTAINER if need be; "+
		"these flags take the place of the source's annotations volsync-kopia/exec-*")
	flags.StringVar(&e.before, "exec-before", "", "shell command to run in the application before the copy is taken; its failure ends the run")
	flags.StringVar(&e.after, "exec-after", "", "shell command to run there after the copy was taken, also when the run fails or is cancelled")
	flags.DurationVar(&e.timeout, "exec-timeout", 0, "longest time for each of them (default 5m)")
}

// hooks are the flags as a plan takes them.
func (e *execFlags) hooks() spec.Hooks {
	h := spec.Hooks{In: e.in, Before: e.before, After: e.after}
	if e.timeout != 0 {
		h.Timeout = e.timeout.String()
	}
	return h
}

// check refuses hooks that say only half of it.
func (e *execFlags) check(local bool) error {
	h := e.hooks()
	_, wrongTarget := h.Target()
	_, wrongLimit := h.Limit()
	switch {
	case local && (h != spec.Hooks{}):
		return fault.New(fault.Usage, "--exec-* flags need a cluster; they cannot be combined with --local")
	case wrongLimit != nil:
		return fault.New(fault.Usage, "--exec-timeout=%s leaves no time", e.timeout)
	case h.In == "" && h.Before != "":
		return fault.New(fault.Usage, "--exec-before needs --exec-in: where to run it").WithHint("as --exec-in deploy/wiki:php")
	case h.In == "" && h.After != "":
		return fault.New(fault.Usage, "--exec-after needs --exec-in: where to run it").WithHint("as --exec-in deploy/wiki:php")
	case h.In == "":
		return nil
	case !h.Used():
		return fault.New(fault.Usage, "--exec-in needs --exec-before or --exec-after: what to run there")
	case wrongTarget != nil:
		return fault.New(fault.Usage, "--exec-in: %w", wrongTarget)
	}
	return nil
}

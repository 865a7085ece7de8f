// Package cmd holds the commands, one file each: flags are what was typed,
// options are what is needed, Run does the work with the caller's context.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const rootLong = `Run the Kopia backups that VolSync ReplicationSource manifests (spec.kopia) describe,
without a resident controller.

The manifest is read and validated on this machine. A backup makes the point-in-time copy,
starts a mover that runs kopia, proves the snapshot from the repository and leaves nothing behind.
A dry run prints the very plan that a real run executes.`

const rootExamples = `  # Check manifests: no cluster and no kopia is needed
  kubectl volsync-kopia validate -f source.yaml

  # Print what a backup would do, then do it
  kubectl volsync-kopia plan -f source.yaml -n prod
  kubectl volsync-kopia backup -f source.yaml -n prod

  # How the backups of a namespace stand
  kubectl volsync-kopia status -n prod

  # Back a directory up with the manifest's settings, on this machine
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data`

// NewRootCommand returns the command tree.
func NewRootCommand(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-volsync_kopia",
		Short: "Run VolSync's Kopia backups without a controller",
		Long:  rootLong, Example: rootExamples,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl volsync-kopia"},
		SilenceErrors: true,
		// How many letters a mistyped command may be off to be recognised.
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       noArguments,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			f.command = c
			return refuseEmptyValues(c)
		},
	}
	root.SetIn(f.Streams.In)
	root.SetOut(f.Streams.Out)
	root.SetErr(f.Streams.ErrOut)
	root.SetFlagErrorFunc(usageError)
	root.SetUsageFunc(writeUsage)
	root.CompletionOptions.HiddenDefaultCmd = false
	f.Config.AddFlags(root.PersistentFlags())
	root.AddCommand(
		NewBackupCommand(f),
		NewCleanupCommand(f),
		NewCRDsCommand(f),
		NewDoctorCommand(f),
		NewMaintenanceCommand(f),
		NewMoverCommand(f),
		NewPlanCommand(f),
		NewRestoreCommand(f),
		NewRunsCommand(f),
		NewScheduleCommand(f),
		NewSnapshotsCommand(f),
		NewStatusCommand(f),
		NewValidateCommand(f),
		NewVersionCommand(f),
	)
	completeFlagValues(root)
	completeArguments(f, root)
	strictBuiltins(root)
	return root
}

// strictBuiltins makes cobra's own commands refuse what they do not know, where
// they print their help and succeed.
func strictBuiltins(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return usageError(root, errors.New("unknown help topic "+quote(strings.Join(args, " "))))
				}
				return nil
			}
		case "completion":
			c.Args = noArguments
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// Main runs the command line and returns the exit code. It is the one place
// where an error is reported.
func Main(ctx context.Context, f *Factory, args []string) fault.ExitCode {
	root := NewRootCommand(f)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	err = unreachable(endedBy(ctx, err))
	var reported *reportedError
	switch {
	case err == nil:
		return fault.OK
	case errors.As(err, &reported):
		return reported.code
	case errors.Is(err, syscall.EPIPE):
		return fault.Failed.ExitCode() // nobody reads any more
	}
	if unknownCommand(err) {
		err = usageError(root, err)
	}
	return f.reportEnd(c, err)
}

// reportEnd reports an error that ended the command before it had a verdict. A
// command whose document is a Result prints one, unless its flags could not be read.
func (f *Factory) reportEnd(c *cobra.Command, err error) fault.ExitCode {
	v := failedVerdict("", err).of(result.Operation(c.Annotations[operationAnnotation]), result.ObjectRef{})
	if output := f.flag("output"); f.command != nil && v.operation != "" && checkOutput(output) == nil {
		var reported *reportedError
		if errors.As(f.reportVerdicts(output, []verdict{v}), &reported) {
			return reported.code
		}
		f.reportFault(&v) // not even that can be written
		return fault.Failed.ExitCode()
	}
	f.command = c
	f.reportFault(&v)
	return v.code
}

// operationAnnotation marks a command whose document is a Result, with its operation.
const operationAnnotation = "operation"

// resultOf is the annotation of a command whose document is a Result.
func resultOf(operation result.Operation) map[string]string {
	return map[string]string{operationAnnotation: string(operation)}
}

// endedBy makes an error say what ended the command, a signal or its time limit,
// when it is but a consequence of that: a request that was broken off has no kind
// of its own. The context must be the one that the command worked with.
func endedBy(ctx context.Context, err error) error {
	var reported *reportedError
	if err == nil || ctx.Err() == nil || errors.As(err, &reported) || fault.KindOf(err) != fault.Failed {
		return err
	}
	cause := context.Cause(ctx)
	ended := fault.New(fault.KindOf(cause), "%w: %w", cause, err)
	var f *fault.Error
	if errors.As(cause, &f) {
		ended.Hint = f.Hint
	}
	return ended
}

// reportedError carries an exit code whose reason the command has printed.
type reportedError struct{ code fault.ExitCode }

func (e *reportedError) Error() string { return "reported" }

// exitWith returns an error for the code, or nil for 0.
func exitWith(code fault.ExitCode) error {
	if code == fault.OK {
		return nil
	}
	return &reportedError{code}
}

// usageError makes a flag mistake exit 2 and name the way out.
func usageError(c *cobra.Command, err error) error {
	return fault.New(fault.Usage, "%w", err).WithHint("see " + c.CommandPath() + " --help")
}

// unknownCommand recognises cobra's own error, which has no type.
func unknownCommand(err error) bool {
	return fault.KindOf(err) == fault.Failed && strings.HasPrefix(err.Error(), "unknown command ")
}

// noArguments refuses positional arguments with exit 2.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return usageError(c, errors.New("unknown command "+quote(args[0])+suggestion(c, args[0])))
	}
	return usageError(c, errors.New(c.CommandPath()+" takes no arguments, got "+quote(args[0])))
}

// atMostOne refuses a second positional argument with exit 2.
func atMostOne(c *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return usageError(c, fmt.Errorf("%s takes one name at most, got %d", c.CommandPath(), len(args)))
}

// suggestion returns cobra's did-you-mean for a mistyped sub-command.
func suggestion(c *cobra.Command, typed string) string {
	near := c.SuggestionsFor(typed)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + quote(near[0]) + "?"
}

func quote(s string) string { return `"` + s + `"` }

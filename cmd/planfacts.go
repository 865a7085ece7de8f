package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

// newPlanFactsCommand returns the command that records what a plan needs to know
// of the cluster.
func newPlanFactsCommand(f *Factory) *cobra.Command {
	flags := &manifestFlags{}
	c := &cobra.Command{
		Use: "facts -f FILE...", Short: "Record the cluster facts that a plan needs", Args: noArguments,
		Long: `Record the cluster facts that a plan needs, as YAML for "plan --facts".

No Secret is read. A policy ConfigMap is recorded with its content. What you may not read is recorded
as unknown, with the reason.`,
		Example: `  # Record here, plan anywhere
  kubectl volsync-kopia plan facts -f source.yaml -n prod > facts.yaml
  kubectl volsync-kopia plan -f source.yaml --facts facts.yaml`,
		RunE: func(c *cobra.Command, _ []string) error { return f.recordFacts(c.Context(), flags) },
	}
	flags.add(c)
	return c
}

func (f *Factory) recordFacts(ctx context.Context, flags *manifestFlags) error {
	input, err := f.load(ctx, flags, argv.DefaultVersion)
	if err != nil {
		return err
	}
	d, err := f.oneSource(input.set, "")
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	facts, err := f.observe(ctx, c, d)
	if err != nil {
		return err
	}
	text, err := facts.Encode()
	if err != nil {
		return err
	}
	if _, err := f.Streams.Out.Write(text); err != nil {
		return fmt.Errorf("print the facts: %w", err)
	}
	return nil
}

package cmd

import (
	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// flagValues are the values that a shell may complete, of every flag that has but
// a few.
func flagValues() map[string][]string {
	values := map[string][]string{
		"prove":             {string(result.ProveManifest), string(result.ProveBlobs), string(result.ProveContent)},
		"on-empty":          {string(result.OnEmptySkip), string(result.OnEmptyFail), string(result.OnEmptySnapshot)},
		"create-repository": {string(result.CreateAuto), string(result.CreateAlways), string(result.CreateNever)},
		"policy-errors":     {string(result.PolicyErrorsFail), string(result.PolicyErrorsWarn)},
		"dry-run":           {"none", "client", "server"},
		"use":               {useCluster},
	}
	for _, m := range ui.Modes() {
		values["progress"] = append(values["progress"], string(m))
	}
	return values
}

// manyNames is the most names that a command is completed with.
const manyNames = 1000

// completeArguments has the shell complete the names that commands take.
func completeArguments(f *Factory, root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "backup", "plan", "doctor":
			completeNames(f, sourceNames, manyNames, c)
		case "schedule":
			completeNames(f, sourceNames, manyNames, c)
			for _, verb := range c.Commands() {
				switch verb.Name() {
				case "list":
				case "diff":
					completeNames(f, sourceNames, manyNames, verb)
				default:
					completeNames(f, scheduleNames, 1, verb)
				}
			}
		case "maintenance":
			completeNames(f, maintenanceNames, manyNames, c)
		case "status":
			completeNames(f, sourceNames, 1, c)
		case "runs":
			for _, verb := range c.Commands() {
				if verb.Name() != "list" {
					completeNames(f, runNames, 1, verb)
				}
			}
		}
	}
}

// completeFlagValues has the shell complete the flags of the command and of those below it.
func completeFlagValues(c *cobra.Command) {
	for name, values := range flagValues() {
		if c.Flags().Lookup(name) != nil {
			// It fails for a flag that is unknown or has a completion: neither is the case.
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, below := range c.Commands() {
		completeFlagValues(below)
	}
}

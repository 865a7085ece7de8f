package cmd

import (
	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const maintenanceLong = `Run the KopiaMaintenances of the input now: those of manifests (-f, -k), or those that the cluster
holds (NAME).

A full maintenance of the repository is run: contents that no snapshot needs any more are dropped, and
what is left is packed and indexed again. Success means that kopia has said that it finished, and that a
fresh kopia process has found the maintenance in the repository's own record, from its first part to its
last, with no part failed and none of another client's between. The repository must exist, and
maintenance@volsync must own its maintenance, or whom its Secret names; --take-ownership makes it the owner.

With --local it runs on this machine: --repository-dir stands in for the repository. Maintenances of one
repository run one at a time there, whatever Secrets name it.`

const maintenanceExamples = `  # Maintain the repository that a manifest names, in the cluster
  kubectl volsync-kopia maintenance -f maintenance.yaml -n prod

  # The same for one that the cluster holds, with a time limit
  kubectl volsync-kopia maintenance nightly -n prod --timeout 2h

  # Print the plan only
  kubectl volsync-kopia maintenance -f maintenance.yaml -n prod --dry-run=client

  # On this machine, also when the cluster is gone
  kubectl volsync-kopia maintenance -f maintenance.yaml -f secret.yaml --local

  # Take over a repository whose maintenance belongs to somebody who is gone
  kubectl volsync-kopia maintenance -f maintenance.yaml -f secret.yaml --local --take-ownership`

// NewMaintenanceCommand returns the maintenance command.
func NewMaintenanceCommand(f *Factory) *cobra.Command {
	flags := &runFlags{}
	c := &cobra.Command{
		Use:     "maintenance (-f FILE... | NAME...)",
		Short:   "Run a KopiaMaintenance now",
		Long:    maintenanceLong + exitCodes(0, 1, 2, 3, 5, 6, 7, 8, 130, 143),
		Example: maintenanceExamples, Annotations: resultOf(result.OperationMaintenance),
		RunE: func(c *cobra.Command, names []string) error { return flags.run(c.Context(), f, names) },
	}
	flags.kinds = []string{spec.KindKopiaMaintenance}
	flags.addCommon(c, "run although the manual trigger was served, or the maintenance is suspended or disabled")
	flags.addTakeOwnership(c)
	addProgressFlag(c, &flags.progress)
	flags.addRuns(c, "maintenances")
	return c
}

package cmd

import (
	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const backupLong = `Run the ReplicationSources of the input now: those of manifests (-f, -k), or those that the cluster
holds (NAME).

The manifest is validated, planned and run: a point-in-time copy of the volume is made, a mover Job
backs it up, and the copy is removed. Success means that a fresh kopia process has re-read the
snapshot from the repository.

With --local the mover runs on this machine: --source-dir stands in for the volume, --repository-dir
for the repository. Identity and recorded path are those of a run in the cluster, so both share
their snapshots.`

const backupExamples = `  # Back up as a manifest says, in the cluster
  kubectl volsync-kopia backup -f source.yaml -n prod

  # The same for a source that the cluster holds
  kubectl volsync-kopia backup postgres -n prod

  # Print the plan only; --connect adds what the repository holds now
  kubectl volsync-kopia backup postgres -n prod --dry-run=client --connect

  # Start it and return; follow it later, from any machine
  kubectl volsync-kopia backup postgres -n prod --detach
  kubectl volsync-kopia runs attach RUN -n prod

  # In a pipeline: a time limit, the result for a script, a report of the verdicts
  kubectl volsync-kopia backup -f sources/ -n prod --timeout 1h -o json --report-junit backup.xml

  # On this machine, with a directory in place of the volume
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data

  # Try a policy there on a repository in a directory that exists, before it reaches a cluster
  kubectl volsync-kopia backup -f source.yaml -f secret.yaml --local --source-dir ./data --repository-dir ./repo`

// NewBackupCommand returns the backup command.
func NewBackupCommand(f *Factory) *cobra.Command {
	flags := &runFlags{}
	c := &cobra.Command{
		Use:     "backup (-f FILE... | NAME...)",
		Short:   "Run a ReplicationSource now",
		Long:    backupLong + exitCodes(0, 1, 2, 3, 4, 5, 6, 7, 8, 130, 143),
		Example: backupExamples, Annotations: resultOf(result.OperationBackup),
		RunE: func(c *cobra.Command, names []string) error { return flags.run(c.Context(), f, names) },
	}
	flags.add(c)
	flags.addConnect(c)
	flags.addRuns(c, "sources")
	return c
}

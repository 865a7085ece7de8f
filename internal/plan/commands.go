package plan

import (
	"path"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// placeholderID stands for the snapshot's id, which only the run knows.
const placeholderID = "ID"

// commands are the argument vectors that the mover runs, made by the very
// functions that it uses.
func commands(place site, task *result.Task) []Command {
	paths := argv.Paths{ConfigFile: path.Join(place.workDir, configFile), LogDir: path.Join(place.workDir, logDir)}
	if task.Backup == nil {
		return readCommands(paths, task)
	}
	dir := path.Join(place.root, task.Backup.SourcePath)
	options := argv.SnapshotOptions{
		Path: dir, Source: task.Identity.String(), Tags: task.Backup.Tags, Extra: task.Backup.Args, Progress: true,
	}
	list := []Command{
		{Purpose: "read the policies", Args: argv.PolicyExport(paths).Args},
		{Purpose: "write the policies", When: "only if different", Args: argv.PolicyImport(paths).Args},
		{Purpose: "snapshot", Args: argv.SnapshotCreate(paths, options).Args},
	}
	if task.Backup.Prove == result.ProveManifest {
		return append(list, Command{Purpose: "the proof", Args: argv.SnapshotList(paths, task.Identity.String()).Args})
	}
	return append(list, Command{Purpose: "the proof", Args: argv.SnapshotVerify(paths, placeholderID, task.Backup.Prove).Args})
}

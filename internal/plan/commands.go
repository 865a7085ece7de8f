package plan

import (
	"path"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// placeholderID stands for the snapshot's id, which only the run knows.
const placeholderID = "ID"

// commands are the argument vectors of a backup or of a maintenance, made by the very
// functions that the mover uses.
func commands(place site, task *result.Task, actions *Actions) []Command {
	paths := argv.Paths{ConfigFile: path.Join(place.workDir, configFile), LogDir: path.Join(place.workDir, logDir)}
	switch {
	case task.Maintenance != nil:
		return upkeepCommands(paths, task)
	case task.Backup == nil:
		return nil
	}
	dir := path.Join(place.root, task.Backup.SourcePath)
	options := argv.SnapshotOptions{
		Path: dir, Source: argv.SnapshotSource(dir, task.Identity), Tags: task.Backup.Tags, Extra: task.Backup.Args, Progress: true,
	}
	list := []Command{
		{Purpose: "read the policies", Args: argv.PolicyExport(paths).Args},
		{Purpose: "write the policies", When: "only if different", Args: argv.PolicyImport(paths).Args},
	}
	list = append(list, around(actions, Command{Purpose: "snapshot", Args: argv.SnapshotCreate(paths, options).Args})...)
	if task.Backup.Prove == result.ProveManifest {
		return append(list, Command{Purpose: "the proof", Args: argv.SnapshotList(paths, task.Identity.String()).Args})
	}
	return append(list, Command{Purpose: "the proof", Args: argv.SnapshotVerify(paths, placeholderID, task.Backup.Prove).Args})
}

// upkeepCommands are those of a maintenance. The owner may be one that the Secret names.
func upkeepCommands(paths argv.Paths, task *result.Task) []Command {
	list := []Command{{Purpose: "whose the maintenance is", Args: argv.MaintenanceInfo(paths).Args}}
	if task.Maintenance.TakeOwnership {
		list = append(list, Command{Purpose: "take it over", When: "only from another owner", Args: argv.MaintenanceOwner(paths, task.Identity.String()).Args})
	}
	return append(list,
		Command{Purpose: "the maintenance", Args: argv.MaintenanceRun(paths).Args},
		Command{Purpose: "the proof", Args: argv.MaintenanceInfo(paths).Args})
}

// around puts the actions where they run: each is there only if it has a command.
func around(actions *Actions, snapshot Command) []Command {
	list := []Command{snapshot}
	if actions == nil || actions.Off != "" {
		return list
	}
	when := ""
	if actions.Unread != "" {
		when = "unless " + actions.Unread + ", turns it off"
	}
	if actions.Before != "" {
		list = []Command{{Action: actionBefore, Purpose: "the action; if it fails, there is no snapshot", When: when}, snapshot}
	}
	if actions.After != "" {
		list = append(list, Command{Action: actionAfter, Purpose: "the action, whatever came of the snapshot", When: when})
	}
	return list
}

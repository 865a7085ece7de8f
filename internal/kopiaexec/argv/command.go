package argv

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The identity of whoever creates a repository, and so the first owner of its
// maintenance.
const (
	MaintenanceUsername = "maintenance"
	MaintenanceHostname = "volsync"
)

// Paths are the files of one run that every kopia process is told about.
type Paths struct {
	// ConfigFile is kopia's own configuration file, LogDir where it would write logs.
	ConfigFile, LogDir string
}

// Command is what one kopia process is started with.
type Command struct {
	// Args are the arguments without the program's name.
	Args []string
}

// start begins a command with what every process is given: where its files are,
// no log files, and no maintenance on the side. Kopia's messages come on standard
// error. Its log of every content, a few percent of a first backup's time, would
// lie in a small memory volume that ends with the run.
func start(command string, p Paths) []string {
	return append(strings.Fields(command), "--config-file="+p.ConfigFile, "--log-dir="+p.LogDir, "--disable-file-logging", "--no-auto-maintenance")
}

// PolicyExport prints all policies of the repository as JSON.
func PolicyExport(p Paths) Command {
	return Command{append(start(CommandPolicyExport, p), "--no-progress")}
}

// PolicyImport replaces the policies that are given as JSON on standard input.
func PolicyImport(p Paths) Command {
	return Command{append(start(CommandPolicyImport, p), "--no-progress")}
}

// CreateOptions are the properties of a repository that only its creation can
// set. Empty ones are left to kopia.
type CreateOptions struct {
	Hash, Encryption, Splitter, ECC string
	// ECCOverheadPercent is how much space error correction may take.
	ECCOverheadPercent int
	// CacheDirectory is for this repository alone; empty: kopia's default.
	CacheDirectory string
}

// RepositoryCreate creates a repository and connects to it. The storage with
// its credentials comes as a token on standard input.
func RepositoryCreate(p Paths, o CreateOptions) Command {
	args := append(start(CommandRepositoryCreate, p),
		"--no-progress",
		"--token-stdin",
		"--no-persist-credentials",
		"--no-check-for-updates",
		"--disable-repository-format-cache",
		"--override-username="+MaintenanceUsername,
		"--override-hostname="+MaintenanceHostname,
	)
	for _, f := range []struct{ name, value string }{
		{"cache-directory", o.CacheDirectory},
		{"block-hash", o.Hash},
		{"encryption", o.Encryption},
		{"object-splitter", o.Splitter},
		{"ecc", o.ECC},
	} {
		if f.value != "" {
			args = append(args, "--"+f.name+"="+f.value)
		}
	}
	if o.ECCOverheadPercent > 0 {
		args = append(args, "--ecc-overhead-percent="+strconv.Itoa(o.ECCOverheadPercent))
	}
	return Command{args}
}

// MaintenanceOptions are how often the upkeep of a repository is due; zero and
// nil leave a value as it is.
type MaintenanceOptions struct {
	QuickInterval, FullInterval time.Duration
	QuickEnabled, FullEnabled   *bool
}

// MaintenanceSet sets the schedule of a repository's maintenance, not its owner.
func MaintenanceSet(p Paths, o MaintenanceOptions) Command {
	args := append(start(CommandMaintenanceSet, p), "--no-progress")
	for _, cycle := range []struct {
		name     string
		interval time.Duration
		enabled  *bool
	}{{"quick", o.QuickInterval, o.QuickEnabled}, {"full", o.FullInterval, o.FullEnabled}} {
		if cycle.enabled != nil {
			args = append(args, "--enable-"+cycle.name+"="+strconv.FormatBool(*cycle.enabled))
		}
		if cycle.interval > 0 {
			args = append(args, "--"+cycle.name+"-interval="+cycle.interval.String())
		}
	}
	return Command{args}
}

// MaintenanceInfo prints, as JSON, whose the maintenance of the repository is, when it
// is due, and the record of what was done.
func MaintenanceInfo(p Paths) Command {
	return Command{append(start(CommandMaintenanceInfo, p), "--no-progress", "--json")}
}

// MaintenanceOwner makes user@host the owner of the repository's maintenance.
func MaintenanceOwner(p Paths, owner string) Command {
	return Command{append(start(CommandMaintenanceSet, p), "--no-progress", "--owner="+owner)}
}

// MaintenanceRun does the full maintenance now, whether it is due or not. What kopia
// waits for between two of them, so that backups may go on meanwhile, stays as it is.
func MaintenanceRun(p Paths) Command {
	return Command{append(start(CommandMaintenanceRun, p), "--no-progress", "--full")}
}

// SnapshotOptions say what is backed up, and under which name.
type SnapshotOptions struct {
	// Path is the directory to read.
	Path string
	// Source is user@host:/path to record it under; empty: the identity of the
	// configuration file and Path. Kopia marks such a source as manual.
	Source string
	// Tags are recorded on the snapshot; a key holds no colon.
	Tags map[string]string
	// Extra is Classification.Pass. It wins over Progress.
	Extra []string
	// Progress asks for progress on standard error.
	Progress bool
}

// SnapshotSource returns what SnapshotOptions.Source must be for dir to be
// recorded under the identity: nothing where kopia does so by itself, from its
// configuration file, and does not mark the source as manual.
func SnapshotSource(dir string, id result.Identity) string {
	if dir == id.Path {
		return ""
	}
	return id.String()
}

// SnapshotCreate makes a snapshot and prints its manifest as JSON.
func SnapshotCreate(p Paths, o SnapshotOptions) Command {
	args := append(start(CommandSnapshotCreate, p), "--json")
	args = append(args, progress(o.Progress, o.Extra)...)
	if o.Source != "" {
		args = append(args, "--override-source="+o.Source)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Tags)) {
		args = append(args, "--tags="+key+":"+o.Tags[key])
	}
	args = append(args, o.Extra...)
	return Command{append(args, operand(o.Path))}
}

// SnapshotVerify reads back that every content of a snapshot is backed by an
// existing blob and, for result.ProveContent, every file besides. For the
// other proofs it does the same as for result.ProveBlobs.
func SnapshotVerify(p Paths, id string, proof result.Proof) Command {
	args := append(start(CommandSnapshotVerify, p), "--no-progress", "--json")
	if proof == result.ProveContent {
		args = append(args, "--verify-files-percent=100")
	}
	return Command{append(args, operand(id))}
}

// SnapshotList prints the manifests of one source (user@host:/path), or of all
// when it is empty, as JSON. Incomplete snapshots are among them.
func SnapshotList(p Paths, source string) Command {
	args := append(start(CommandSnapshotList, p), "--no-progress", "--json", "--incomplete")
	if source == "" {
		return Command{append(args, "--all")}
	}
	return Command{append(args, operand(source))}
}

// List prints the path of everything in a snapshot, one a line: after the id and a
// slash the path below its root. That of a directory ends in a slash.
func List(p Paths, id string) Command {
	return Command{append(start(CommandList, p), "--recursive", "--no-error-summary", operand(id))}
}

// RestoreOptions say what is restored to where.
type RestoreOptions struct {
	// Source is a snapshot's id, or id/path for a part of it.
	Source string
	// SkipOwners leaves ownership to the restoring user.
	SkipOwners bool
	// Target is an existing directory.
	Target string
	// Extra is Classification.Pass. It wins over SkipOwners and Progress.
	Extra []string
	// Progress asks for progress on standard error.
	Progress bool
}

// SnapshotRestore writes a snapshot's files below a directory.
func SnapshotRestore(p Paths, o RestoreOptions) Command {
	// Kopia would make an archive of a target whose name ends as one's.
	args := append(start(CommandSnapshotRestore, p), "--mode=local")
	args = append(args, progress(o.Progress, o.Extra)...)
	if o.SkipOwners && !sets(o.Extra, "skip-owners") {
		args = append(args, "--skip-owners")
	}
	args = append(args, o.Extra...)
	return Command{append(args, operand(o.Source), operand(cmp.Or(o.Target, ".")))}
}

// progress returns the flag that says whether progress is reported. It is
// always given, for kopia's default differs between versions, and once only.
func progress(on bool, extra []string) []string {
	switch {
	case sets(extra, "progress"):
		return nil
	case on:
		return []string{"--progress"}
	}
	return []string{"--no-progress"}
}

// sets reports whether a flag without a value is among the arguments.
func sets(args []string, name string) bool {
	return slices.Contains(args, "--"+name) || slices.Contains(args, "--no-"+name)
}

// operand keeps a word that starts with a dash from being read as a flag.
func operand(word string) string {
	if strings.HasPrefix(word, "-") {
		return "./" + word
	}
	return word
}

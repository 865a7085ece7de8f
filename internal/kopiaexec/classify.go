package kopiaexec

import (
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// Reason is a stable CamelCase word for why kopia failed; it becomes
// Result.Reason.
type Reason string

// The reasons that are told apart.
const (
	ReasonWrongPassword    Reason = "WrongPassword"
	ReasonNotInitialized   Reason = "RepositoryNotInitialized"
	ReasonStorageMissing   Reason = "StorageMissing"
	ReasonPermissionDenied Reason = "StoragePermissionDenied"
	ReasonReadOnly         Reason = "StorageReadOnly"
	ReasonNoSpace          Reason = "StorageFull"
	ReasonTargetReadOnly   Reason = "TargetReadOnly"
	ReasonTargetFull       Reason = "TargetFull"
	ReasonExistingData     Reason = "StorageNotEmpty"
	ReasonSnapshotMissing  Reason = "SnapshotNotFound"
	ReasonBlobMissing      Reason = "BlobMissing"
	ReasonScheduledSource  Reason = "SourceHasSchedule"
	ReasonNotOwner         Reason = "NotOwner"
	ReasonClockSkew        Reason = "ClockSkew"
	ReasonRecordDamaged    Reason = "MaintenanceRecordDamaged"
	ReasonRecordUnreadable Reason = "MaintenanceRecordUnreadable"
	ReasonBadArgument      Reason = "KopiaArgument"
	ReasonKopia            Reason = "KopiaFailed"
)

// Diagnosis is what a failed kopia said, or what was seen without it, with its
// documented meaning.
type Diagnosis struct {
	Kind   fault.Kind
	Reason Reason
	// Text is kopia's own line. Seen takes its place when kopia was not asked.
	Text, Seen string
	// Why is the meaning of that line; Hint one thing to do. Either may be empty.
	Why, Hint string
}

// Err renders the diagnosis; doing says what was tried, as "open the repository".
func (d Diagnosis) Err(doing string) *fault.Error {
	found := "kopia says: " + d.Text
	if d.Seen != "" {
		found = d.Seen
	}
	return fault.New(d.Kind, "%s: %s", doing, found).WithWhy(d.Why).WithHint(d.Hint)
}

// class is one row of the table: a log in which every text of all occurs in
// one line has this meaning.
type class struct {
	all       []string
	kind      fault.Kind
	reason    Reason
	why, hint string
}

// classes is searched from the top: the more telling texts come first. Each
// row is pinned by recordings in testdata/kopia.
func classes() []class {
	return slices.Concat(openingClasses(), maintenanceClasses(), workingClasses())
}

// openingClasses are the failures to open or create a repository.
func openingClasses() []class {
	return []class{
		{
			[]string{"invalid repository password"},
			fault.Repository, ReasonWrongPassword,
			"the repository was created with another password", "check KOPIA_PASSWORD in the repository Secret",
		},
		{
			[]string{"found existing data in storage location"},
			fault.Repository, ReasonExistingData,
			"a repository is created only in an empty place", "choose an empty prefix or directory; if a repository was here, restore its blob kopia.repository from a copy",
		},
		{
			[]string{"kopia.repository blob", "BLOB not found"},
			fault.Repository, ReasonNotInitialized,
			"the storage is reachable and holds no repository", "check the bucket, prefix or path; backup --create-repository=always makes a new one there",
		},
		{
			[]string{"cannot access storage path", "no such file or directory"},
			fault.Repository, ReasonStorageMissing,
			"the directory of the repository does not exist", "check that the volume is mounted and that the path in KOPIA_REPOSITORY is the one meant; with --local, " +
				"--repository-dir names a directory in its place, as --repository-dir ./repo",
		},
		{
			[]string{"cannot access storage path", "not a directory"},
			fault.Repository, ReasonStorageMissing,
			"the path of the repository leads through a file", "check the path in KOPIA_REPOSITORY",
		},
	}
}

// maintenanceClasses are the failures of a maintenance that nothing else can have.
func maintenanceClasses() []class {
	return []class{
		{
			[]string{"maintenance must be run by designated user"},
			fault.Refused, ReasonNotOwner,
			"kopia lets one client alone maintain a repository", "let the owner run it, or make this one the owner: --take-ownership",
		},
		{
			[]string{"clock skew detected"},
			fault.Failed, ReasonClockSkew,
			"the clock of this machine and that of the storage differ by more than 5 minutes, and kopia judges by it what is old enough to be deleted",
			"set the clocks of the node and of the storage right",
		},
		{
			[]string{"error reading schedule blob", "permission denied"},
			fault.Repository, ReasonPermissionDenied,
			"the mover's user may not read the blob kopia.maintenance, " + maintenanceRecord,
			runAsOwner + "; or give that file to the owner of the others",
		},
		{
			[]string{"error reading schedule blob"},
			fault.Repository, ReasonRecordUnreadable,
			"the storage does not give out the blob kopia.maintenance, " + maintenanceRecord + "; nothing says that it is damaged",
			"see to it that the storage can be reached, and that its credentials may read that blob",
		},
		damagedRecord("invalid schedule blob"),
		damagedRecord("unable to decrypt schedule blob"),
		damagedRecord("malformed schedule blob"),
	}
}

const maintenanceRecord = "in which kopia keeps when it maintained the repository"

// damagedRecord is what kopia has read of its record, and cannot make out.
func damagedRecord(text string) class {
	return class{
		[]string{text},
		fault.Failed, ReasonRecordDamaged,
		"the blob kopia.maintenance, " + maintenanceRecord + ", was read and is damaged",
		"remove that blob from the storage: kopia begins a new one, and no backup depends on it",
	}
}

// What is said of a repository that belongs to another user.
const (
	mayNotWrite = "the mover's user may not write to the repository's directory"
	runAsOwner  = "run as its owner; in a cluster, set spec.kopia.moverSecurityContext.runAsUser or fsGroup to it"
)

// workingClasses are the failures that can come at any time.
func workingClasses() []class {
	return []class{
		{
			[]string{"manual cannot be combined with other scheduling policies"},
			fault.Failed, ReasonScheduledSource,
			"kopia marks a source whose snapshots are recorded under another path as manual, and the source's policy has a schedule of its own",
			"remove that schedule from the repository: kopia policy delete USER@HOST:/PATH",
		},
		{
			[]string{"error restoring", "read-only file system"},
			fault.Failed, ReasonTargetReadOnly,
			"the volume that is restored to is mounted read-only", "mount it read-write, or restore to another one",
		},
		{
			[]string{"error restoring", "no space left on device"},
			fault.Failed, ReasonTargetFull,
			"the volume that is restored to is full", "make it larger, free space on it, or restore to a larger one",
		},
		{
			[]string{"read-only file system"},
			fault.Repository, ReasonReadOnly,
			"the volume of the repository is mounted read-only", "mount it read-write",
		},
		{
			[]string{"no space left on device"},
			fault.Repository, ReasonNoSpace,
			"the volume of the repository, or of the cache, is full", "free or add space; a run of maintenance may free some",
		},
		{
			[]string{"found 0 of the 1 requested snapshot"},
			fault.Failed, ReasonSnapshotMissing,
			"the repository does not hold the snapshot", "",
		},
		{
			[]string{"is backed by missing blob"},
			fault.Failed, ReasonBlobMissing,
			"a file that the snapshot needs is gone from the storage", "find out what deletes objects there (a life-cycle rule, another tool); back up again",
		},
		{
			[]string{"BLOB not found"},
			fault.Failed, ReasonBlobMissing,
			"a file that the repository needs is gone from the storage", "find out what deletes objects there; back up again",
		},
		{
			[]string{"PutBlobInPath:", "permission denied"},
			fault.Repository, ReasonPermissionDenied, mayNotWrite, runAsOwner,
		},
		{
			[]string{"DeleteBlobInPath:", "permission denied"},
			fault.Repository, ReasonPermissionDenied, mayNotWrite, runAsOwner,
		},
		{
			[]string{"open repository:", "permission denied"},
			fault.Repository, ReasonPermissionDenied,
			"the mover's user may not read the repository's directory", runAsOwner,
		},
		{[]string{": error: ", "try --help"}, fault.Failed, ReasonBadArgument, "kopia does not accept an argument", ""},
	}
}

// Diagnose names the failure from kopia's log lines: by the first row of the
// table that any of them matches.
func Diagnose(log []string) Diagnosis {
	log = withoutDiagnostics(log)
	table := classes()
	for _, row := range table {
		for i := len(log) - 1; i >= 0; i-- {
			if containsAll(log[i], row.all) {
				return Diagnosis{Kind: row.kind, Reason: row.reason, Text: strings.TrimSpace(log[i]), Why: row.why, Hint: row.hint}
			}
		}
	}
	text := "nothing"
	if len(log) > 0 {
		text = strings.TrimSpace(log[len(log)-1])
	}
	return Diagnosis{Kind: fault.Failed, Reason: ReasonKopia, Text: text}
}

// withoutDiagnostics leaves out what kopia says of its own records of what it does,
// unless it says nothing else: that they cannot be written, as by who may only
// read the repository, is not why kopia fails.
func withoutDiagnostics(log []string) []string {
	rest := slices.DeleteFunc(slices.Clone(log), func(line string) bool {
		return strings.HasPrefix(line, "unable to write diagnostics blob")
	})
	if len(rest) == 0 {
		return log
	}
	return rest
}

func containsAll(line string, texts []string) bool {
	for _, t := range texts {
		if !strings.Contains(line, t) {
			return false
		}
	}
	return true
}

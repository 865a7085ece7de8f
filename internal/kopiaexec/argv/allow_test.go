package argv

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// mayPass are all flags that may reach kopia. They are written out here a
// second time, for this list is what the product promises: whoever adds a flag
// to the code under test must say so here, too.
func mayPass(op result.Operation) []string {
	if op == result.OperationRestore {
		return []string{
			"consistent-attributes", "flush-files", "ignore-errors", "ignore-permission-errors", "overwrite-directories",
			"overwrite-files", "overwrite-symlinks", "parallel", "progress", "progress-update-interval", "shallow",
			"shallow-minsize", "skip-existing", "skip-owners", "skip-permissions", "skip-times", "write-files-atomically",
			"write-sparse-files",
		}
	}
	return []string{
		"adaptive-estimation-threshold", "checkpoint-interval", "description", "fail-fast", "flush-per-source",
		"force-disable-actions", "force-hash", "log-dir-detail", "log-entry-detail", "parallel", "pin", "progress",
		"progress-estimation-type", "progress-update-interval", "send-snapshot-report", "tags", "upload-limit-mb",
	}
}

func TestTheListOfWhatMayPass(t *testing.T) {
	t.Parallel()
	for _, op := range []result.Operation{result.OperationBackup, result.OperationRestore} {
		if diff := cmp.Diff(mayPass(op), slices.Sorted(maps.Keys(allowances(op)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", op, diff)
		}
	}
}

// spellings are the ways to write a flag.
func spellings(f Flag) map[string][]string {
	const value = "/x"
	ways := map[string][]string{
		"alone":                 {"--" + f.Name},
		"with an equals sign":   {"--" + f.Name + "=" + value},
		"with a blank":          {"--" + f.Name + " " + value},
		"in two entries":        {"--" + f.Name, value},
		"negated":               {"--no-" + f.Name},
		"negated, with a value": {"--no-" + f.Name + "=" + value},
	}
	maps.Copy(ways, misspellings(f.Name))
	if f.Short != "" {
		ways["short"] = []string{"-" + f.Short}
		ways["short, joined"] = []string{"-" + f.Short + value}
		ways["short, with an equals sign"] = []string{"-" + f.Short + "=" + value}
		ways["short, in two entries"] = []string{"-" + f.Short, value}
	}
	return ways
}

// misspellings are names that kopia does not take, but that look like the flag's.
func misspellings(name string) map[string][]string {
	ways := map[string][]string{
		"upper case":                 {"--" + strings.ToUpper(name) + "=1"},
		"upper case, in two entries": {"--" + strings.ToUpper(name), "1"},
		"capitals":                   {"--" + strings.ToUpper(name[:1]) + name[1:] + "=1"},
		"upper case, negated":        {"--NO-" + strings.ToUpper(name)},
	}
	if under := strings.ReplaceAll(name, "-", "_"); under != name {
		ways["underscores"] = []string{"--" + under + "=1"}
		ways["underscores, in two entries"] = []string{"--" + under, "1"}
		ways["underscores, negated"] = []string{"--no_" + under}
	}
	return ways
}

// TestNoOtherFlagOfKopiaPasses tries every flag of the command in every
// kopia's table, the global ones included.
func TestNoOtherFlagOfKopiaPasses(t *testing.T) {
	t.Parallel()
	commands := map[result.Operation]string{result.OperationBackup: CommandSnapshotCreate, result.OperationRestore: CommandSnapshotRestore}
	for _, version := range Versions() {
		table := TableFor(version)
		for op, command := range commands {
			tried := 0
			for _, f := range slices.Concat(table.Commands[command], table.Global) {
				ways := spellings(f)
				if slices.Contains(mayPass(op), f.Name) {
					ways = misspellings(f.Name)
				}
				for way, args := range ways {
					checkRefused(t, f.Name+", "+way, args, table, op)
					tried++
				}
			}
			if tried < 500 {
				t.Errorf("kopia %s: only %d spellings of the flags of %s", version, tried, command)
			}
		}
	}
}

// TestNoFlagOfTheConnectionPasses: those of other commands, which a manifest may
// be written with; some are translated, and do not reach kopia either.
func TestNoFlagOfTheConnectionPasses(t *testing.T) {
	t.Parallel()
	translated := []string{"max-upload-speed", "max-download-speed"}
	for _, version := range Versions() {
		table := TableFor(version)
		for _, name := range table.Connection {
			if slices.Contains(mayPass(result.OperationBackup), name) || slices.Contains(translated, name) {
				continue
			}
			for way, args := range spellings(Flag{Name: name}) {
				checkRefused(t, name+", "+way, args, table, result.OperationBackup)
			}
		}
		for _, name := range translated {
			got := Classify([]string{"--" + name + "=1MB"}, table, Options{})
			if len(got.Pass) > 0 || got.Arguments[0].Class != Translated {
				t.Errorf("kopia %s: %s: %+v", version, name, got)
			}
		}
	}
}

func checkRefused(t *testing.T, what string, args []string, table *Table, op result.Operation) {
	t.Helper()
	got := Classify(args, table, Options{Operation: op})
	if len(got.Pass) > 0 || len(got.Layers) > 0 || got.UploadBytesPerSecond+got.DownloadBytesPerSecond > 0 {
		t.Errorf("kopia %s, %s: %s: %q takes effect: %+v", table.Version, op, what, args, got)
	}
	if got.Problems.Count(problem.Error) == 0 {
		t.Errorf("kopia %s, %s: %s: %q has no error: %+v", table.Version, op, what, args, got.Problems)
	}
	for _, a := range got.Arguments {
		if a.Class != Forbidden && a.Class != Unknown {
			t.Errorf("kopia %s, %s: %s: %q is %s", table.Version, op, what, args, a.Class)
		}
	}
}

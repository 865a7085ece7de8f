package argv

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestTableForChoosesTheNearest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ version, want string }{
		"its own":                       {"0.23.1", "0.23.1"},
		"with a leading v":              {"v0.21.1", "0.21.1"},
		"a later patch":                 {"0.21.9", "0.21.1"},
		"an earlier patch":              {"0.23.0", "0.23.1"},
		"a release candidate":           {"0.23.2-rc1", "0.23.1"},
		"a minor release without table": {"0.19.0", DefaultVersion},
		"nothing":                       {"", DefaultVersion},
		"no version":                    {"a.b.c", DefaultVersion},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := TableFor(test.version).Version; got != test.want {
				t.Errorf("TableFor(%q) is of %s, want %s", test.version, got, test.want)
			}
		})
	}
}

func TestVersionsAscend(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"0.21.1", "0.22.3", "0.23.1"}, Versions()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the rest of this package relies on, in every table.
func TestTablesHold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		command string
		want    Flag
	}{
		"the password has a letter":        {CommandSnapshotCreate, Flag{Name: "password", Short: "p", Kind: KindString}},
		"tags may be repeated":             {CommandSnapshotCreate, Flag{Name: "tags", Kind: KindString, Repeatable: true}},
		"parallel may not":                 {CommandSnapshotCreate, Flag{Name: "parallel", Kind: KindNumber}},
		"a hidden flag of the command":     {CommandSnapshotCreate, Flag{Name: "checkpoint-interval", Kind: KindDuration, Hidden: true}},
		"a hidden flag of all commands":    {CommandPolicyImport, Flag{Name: "auto-maintenance", Kind: KindBool, Hidden: true}},
		"a hidden flag may be repeated":    {CommandSnapshotList, Flag{Name: "track-releasable", Kind: KindString, Hidden: true, Repeatable: true}},
		"the hidden identity of a creator": {CommandRepositoryCreate, Flag{Name: "override-username", Kind: KindString, Hidden: true}},
		"the only error correction":        {CommandRepositoryCreate, Flag{Name: "ecc", Kind: KindEnum, Enum: []string{"REED-SOLOMON-CRC32"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range Versions() {
				got, ok := TableFor(version).Lookup(test.command, test.want.Name)
				if diff := cmp.Diff(test.want, got); !ok || diff != "" {
					t.Errorf("kopia %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

// TestEveryAllowedFlagExists keeps the list free of names that no kopia has.
func TestEveryAllowedFlagExists(t *testing.T) {
	t.Parallel()
	for op, command := range map[result.Operation]string{result.OperationBackup: CommandSnapshotCreate, result.OperationRestore: CommandSnapshotRestore} {
		for name := range allowances(op) {
			if _, banned := namedBan(name); banned {
				t.Errorf("%s --%s is both allowed and banned", command, name)
			}
			if !slices.ContainsFunc(Versions(), func(v string) bool { _, ok := TableFor(v).Lookup(command, name); return ok }) {
				t.Errorf("no kopia has %s --%s", command, name)
			}
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		codeForbidden, codeNotAFlag, codeUnknown, codeBadValue, codeTranslated, codeRepeated, codeRechunks,
		codeParallelTwice, codeReservedTag, codeCaution, codeLeftOut,
	} {
		if c, ok := problem.Lookup(id); !ok || c.Meaning == "" || c.Example == "" || c.Fix == "" || c.Severity == "" {
			t.Errorf("%s: %+v", id, c)
		}
	}
}

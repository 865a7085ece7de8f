package argv

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
)

// DefaultVersion is the kopia version whose table serves when a version is
// not known or has no table of its own minor release.
const DefaultVersion = release.Default

// The commands that have a table, as kopia spells them.
const (
	CommandSnapshotCreate   = "snapshot create"
	CommandSnapshotRestore  = "snapshot restore"
	CommandSnapshotVerify   = "snapshot verify"
	CommandSnapshotList     = "snapshot list"
	CommandList             = "list"
	CommandRepositoryCreate = "repository create from-config"
	CommandPolicySet        = "policy set"
	CommandPolicyImport     = "policy import"
	CommandPolicyExport     = "policy export"
	CommandMaintenanceSet   = "maintenance set"
	CommandMaintenanceInfo  = "maintenance info"
	CommandMaintenanceRun   = "maintenance run"
)

//go:embed tables/*.json
var tableFiles embed.FS

// Kind says what sort of value a flag takes.
type Kind string

// The kinds. A KindBool flag takes no value: kopia reads the word after it,
// and even the part after "=", as a positional argument. It is negated by
// --no-NAME, and no other kind is.
const (
	KindBool     Kind = "bool"
	KindString   Kind = "string"
	KindNumber   Kind = "number"
	KindDuration Kind = "duration"
	KindEnum     Kind = "enum"
)

// Flag is one flag of kopia.
type Flag struct {
	// Name is the long name without dashes, Short the letter or empty.
	Name  string `json:"name"`
	Short string `json:"short,omitempty"`
	Kind  Kind   `json:"kind"`
	// Repeatable flags may be given more than once; kopia refuses to run when
	// another one is.
	Repeatable bool `json:"repeatable,omitempty"`
	// Hidden flags are accepted but not in kopia's help.
	Hidden bool `json:"hidden,omitempty"`
	// Enum holds the legal values of a KindEnum flag, in kopia's order.
	Enum []string `json:"enum,omitempty"`
}

// Table holds the flags of one kopia version.
type Table struct {
	Version string `json:"version"`
	// Global flags are accepted by every command.
	Global []Flag `json:"global"`
	// Commands has each command's own flags, by name.
	Commands map[string][]Flag `json:"commands"`
	// Connection names the flags of all "repository connect" commands: where a
	// repository is and how to log in to it.
	Connection []string `json:"connection"`
}

// Versions returns the kopia versions that have a table, ascending.
func Versions() []string {
	entries, err := tableFiles.ReadDir("tables")
	if err != nil {
		return nil // the directory is embedded: this cannot happen
	}
	versions := make([]string, 0, len(entries))
	for _, e := range entries {
		versions = append(versions, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	slices.SortFunc(versions, release.Compare)
	return versions
}

// TableFor returns the table of the version ("0.22.3", a leading v is taken
// too): its own, else the one nearest to it of the same minor release, else
// that of DefaultVersion. It decodes the table on every call; callers that ask
// often keep it.
func TableFor(kopiaVersion string) *Table {
	t, err := load(release.Nearest(kopiaVersion, Versions()))
	if err != nil {
		panic(err) // an embedded table that does not decode is a broken build
	}
	return t
}

// Minor returns the version without its patch number, as "0.22".
func (t *Table) Minor() string { return release.Minor(t.Version) }

// Lookup finds a flag of the command, its own or a global one, by its long
// name without dashes.
func (t *Table) Lookup(command, name string) (Flag, bool) {
	for _, flags := range [][]Flag{t.Commands[command], t.Global} {
		for _, f := range flags {
			if f.Name == name {
				return f, true
			}
		}
	}
	return Flag{}, false
}

func (t *Table) lookupShort(command, letter string) (Flag, bool) {
	for _, flags := range [][]Flag{t.Commands[command], t.Global} {
		for _, f := range flags {
			if f.Short != "" && f.Short == letter {
				return f, true
			}
		}
	}
	return Flag{}, false
}

func load(version string) (*Table, error) {
	data, err := tableFiles.ReadFile("tables/" + version + ".json")
	if err != nil {
		return nil, fmt.Errorf("flag table of kopia %s: %w", version, err)
	}
	var t Table
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("flag table of kopia %s: %w", version, err)
	}
	return &t, nil
}

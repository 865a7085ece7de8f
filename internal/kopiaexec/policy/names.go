package policy

import (
	"cmp"
	"embed"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
)

// The tables are generated from real kopia programs, one file a version.
//
//go:embed names/*.json
var nameTables embed.FS

// Names are the algorithm names that a kopia version knows.
type Names struct {
	// Version is the version of kopia that the names were asked for.
	Version string
	Compressors, Splitters, Hashes,
	Encryptions, ECCs []string
	// BadCompressors are accepted by kopia and make every snapshot fail, with
	// the reason.
	BadCompressors map[string]string
}

// NamesFor returns the names of a kopia version, from the table that
// release.Nearest chooses.
func NamesFor(kopiaVersion string) Names {
	names := readTable(chooseTable(kopiaVersion))
	names.Version = cmp.Or(kopiaVersion, release.Default)
	// Kopia's parser of flags knows "inherit"; in a stored policy it is not an
	// algorithm.
	names.Compressors = slices.DeleteFunc(names.Compressors, func(s string) bool { return s == "inherit" })
	names.Splitters = slices.DeleteFunc(names.Splitters, func(s string) bool { return s == "inherit" })
	names.BadCompressors = map[string]string{}
	if release.Compare(names.Version, "0.23.0") >= 0 {
		names.BadCompressors["lz4"] = "kopia accepts the name since 0.23, and then every snapshot with data fails"
	}
	return names
}

// short returns the version as people say it: 0.22.
func (n Names) short() string { return release.Minor(n.Version) }

func chooseTable(version string) string {
	entries, err := nameTables.ReadDir("names")
	if err != nil {
		return release.Default // the directory is embedded: this cannot happen
	}
	var tables []string
	for _, entry := range entries {
		tables = append(tables, strings.TrimSuffix(entry.Name(), ".json"))
	}
	return release.Nearest(version, tables)
}

func readTable(version string) Names {
	var table struct{ Compressors, Splitters, Hashes, Encryptions, ECCs []string }
	data, err := nameTables.ReadFile(path.Join("names", version+".json"))
	if err != nil || json.Unmarshal(data, &table) != nil {
		// Embedded files cannot be missing; a test reads each of them.
		return Names{}
	}
	return Names{
		Compressors: table.Compressors, Splitters: table.Splitters,
		Hashes: table.Hashes, Encryptions: table.Encryptions, ECCs: table.ECCs,
	}
}

package policy

import (
	"embed"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The tables are generated from real kopia programs, one file a version.
//
//go:embed names/*.json
var nameTables embed.FS

const defaultVersion = "0.22.3"

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

// NamesFor returns the names of a kopia version: its own table, else the
// newest of the same minor version, else that of the default version.
func NamesFor(kopiaVersion string) Names {
	names := readTable(chooseTable(kopiaVersion))
	names.Version = kopiaVersion
	if names.Version == "" {
		names.Version = defaultVersion
	}
	// Kopia's parser of flags knows "inherit"; in a stored policy it is not an
	// algorithm.
	names.Compressors = slices.DeleteFunc(names.Compressors, func(s string) bool { return s == "inherit" })
	names.Splitters = slices.DeleteFunc(names.Splitters, func(s string) bool { return s == "inherit" })
	names.BadCompressors = map[string]string{}
	if major, minor := majorMinor(names.Version); major > 0 || minor >= 23 {
		names.BadCompressors["lz4"] = "kopia accepts the name since 0.23, and then every snapshot with data fails"
	}
	return names
}

// short returns the version as people say it: 0.22.
func (n Names) short() string {
	parts := strings.SplitN(strings.TrimPrefix(n.Version, "v"), ".", 3)
	if len(parts) < 2 {
		return n.Version
	}
	return parts[0] + "." + parts[1]
}

func chooseTable(version string) string {
	version = strings.TrimPrefix(version, "v")
	chosen := defaultVersion
	entries, err := nameTables.ReadDir("names")
	if err != nil {
		return chosen
	}
	major, minor := majorMinor(version)
	for _, entry := range entries {
		table := strings.TrimSuffix(entry.Name(), ".json")
		if table == version {
			return table
		}
		if a, b := majorMinor(table); a == major && b == minor {
			chosen = table
		}
	}
	return chosen
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

func majorMinor(version string) (major, minor int) {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return 0, -1
	}
	major, errMajor := strconv.Atoi(parts[0])
	minor, errMinor := strconv.Atoi(parts[1])
	if errMajor != nil || errMinor != nil {
		return 0, -1
	}
	return major, minor
}

package kopiaexec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

const (
	// formatFile is the format blob of a repository in a directory. Kopia keeps
	// names this short at the top, unless shardsFile says otherwise.
	formatFile = "kopia.repository.f"
	// shardsFile says how kopia spreads files over directories. It writes one
	// wherever it looks for a repository.
	shardsFile = ".shards"
)

// DiagnoseDirectory looks without kopia whether dir can be a repository. It
// returns true, and what kopia's failure to open it would mean, when dir is
// missing or certainly holds none; false when that cannot be told without kopia.
// Nothing is written, whereas kopia would leave a file of its own behind.
func DiagnoseDirectory(dir string) (Diagnosis, bool) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return seen(ReasonStorageMissing, err.Error()), true
	case err != nil || !info.IsDir():
		return Diagnosis{}, false
	}
	for _, name := range []string{formatFile, shardsFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return Diagnosis{}, false
		}
	}
	return seen(ReasonNotInitialized, fmt.Sprintf("%s holds no %s", dir, formatFile)), true
}

// seen is the diagnosis of what was found without kopia, with the meaning that
// the table has for the reason.
func seen(reason Reason, what string) Diagnosis {
	for _, row := range openingClasses() {
		if row.reason == reason {
			return Diagnosis{Kind: row.kind, Reason: reason, Seen: what, Why: row.why, Hint: row.hint}
		}
	}
	return Diagnosis{Kind: fault.Repository, Reason: reason, Seen: what}
}

package suite

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// earlier is a snapshot that the source had before a fault.
type earlier struct {
	id    string
	holds map[string]kopiatest.Entry
	// blobs are the repository's files, by their paths in it.
	blobs map[string]bool
}

// backedUpEarlier makes the repository and a snapshot of the source with bare kopia,
// as a run of last night would have left them, and changes the data. The snapshot is
// pinned: the retention of the runs to come is not what it is to be lost by.
func (n *space) backedUpEarlier() earlier {
	n.t.Helper()
	n.must(os.MkdirAll(n.repository, 0o755))
	c := n.client()
	c.Run(n.t, "repository", "create", "filesystem", "--path="+n.repository, "--override-username=maintenance", "--override-hostname=volsync")
	out := c.Run(n.t, "snapshot", "create", n.data, "--override-source=app@"+n.name+":/data", "--pin=earlier", "--json", "--no-progress")
	var made kopiatest.Listed
	n.must(json.Unmarshal([]byte(out), &made))
	e := earlier{made.ID, kopiatest.Entries(n.t, n.data), map[string]bool{}}
	n.yieldRepository()
	n.must(filepath.WalkDir(n.repository, func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(n.repository, path)
		e.blobs[rel] = true
		return err
	}))
	kopiatest.Write(n.t, filepath.Join(n.data, "a.txt"), "changed since\n")
	return e
}

// stillThere fails the test unless bare kopia lists the earlier snapshot, and restores
// what the source held then.
func (e earlier) stillThere(n *space) {
	n.t.Helper()
	is := func(s kopiatest.Listed) bool { return s.ID == e.id && s.Incomplete == "" }
	if all := n.client().Snapshots(n.t); !slices.ContainsFunc(all, is) {
		n.t.Fatalf("the earlier snapshot %s is not listed: %+v", e.id, all)
	}
	if diff := cmp.Diff(e.holds, kopiatest.Entries(n.t, n.restored(e.id))); diff != "" {
		n.t.Errorf("the earlier snapshot is another than it was (-then +now):\n%s", diff)
	}
}

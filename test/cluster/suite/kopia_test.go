package suite

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// client is a fresh kopia client of the namespace's repository, on this machine.
func (n *space) client() *kopiatest.Repository {
	n.t.Helper()
	return kopiatest.NewRepository(n.t, shared.kopia, n.repository, password)
}

// restored restores a snapshot with bare kopia and returns the directory.
func (n *space) restored(id string) string {
	n.t.Helper()
	return n.client().Restore(n.t, id)
}

// sound fails the test when the repository's snapshots are not backed by their
// blobs.
func (n *space) sound() {
	n.t.Helper()
	n.client().Run(n.t, "snapshot", "verify", "--verify-files-percent=100")
}

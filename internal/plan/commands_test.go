package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// In a pod the volume is mounted where its snapshots are recorded, so only
// another path than that needs to be named.
func TestTheShownSnapshotNamesItsSourceWhereTheMoverDoes(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		p, _ := build(load(t, name))
		if p.Task == nil || p.Task.Backup == nil {
			continue
		}
		i := slices.IndexFunc(p.Commands, func(c plan.Command) bool { return c.Purpose == "snapshot" })
		if i < 0 {
			t.Fatalf("%s: no snapshot among %v", name, p.Commands)
		}
		args := p.Commands[i].Args
		named := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--override-source=") })
		if dir := args[len(args)-1]; named != (dir != p.Identity.Path) {
			t.Errorf("%s: %s is recorded as %s by %q", name, dir, p.Identity.Path, args)
		}
	}
}

package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Whoever wrote the actions relies on them: a run that leaves them out is to say
// so in its Result. One that only reads has none to leave out.
func TestActionsThatALocalRunLeavesOutAreInItsResult(t *testing.T) {
	t.Parallel()
	const code = "VK514"
	found := func(findings problem.List) bool {
		return slices.ContainsFunc(findings, func(p problem.Problem) bool { return p.Code == code })
	}
	p, findings := plan.BuildBackup(load(t, "local"))
	want := []result.Warning{{Code: code, Message: "the actions are not run on this machine"}}
	if diff := cmp.Diff(want, p.Task.Warnings); diff != "" || !found(findings) {
		t.Errorf("a backup: found %v, warnings (-want +got):\n%s", found(findings), diff)
	}
	in := load(t, "local")
	in.Options.RunActions = true
	if p, findings = plan.BuildBackup(in); len(p.Task.Warnings) > 0 || found(findings) {
		t.Errorf("a backup that runs them: found %v, warnings %v", found(findings), p.Task.Warnings)
	}
	if p, findings = plan.BuildRead(load(t, "local"), result.Task{Operation: result.OperationList, List: &result.ListTask{}}); len(p.Task.Warnings) > 0 || found(findings) {
		t.Errorf("a list: found %v, warnings %v", found(findings), p.Task.Warnings)
	}
}

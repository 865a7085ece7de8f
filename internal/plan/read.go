package plan

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// BuildRead plans what only reads a source's repository, on this machine:
// listing its snapshots (task.List) or restoring one (task.Restore). The part
// of the Task that says which is given; everything else is as for a backup of
// the same source, so that both mean the same repository and identity. The plan
// has no Commands: what is read decides about them. in.Env.Local must be set.
func BuildRead(in Input, task result.Task) (Plan, problem.List) {
	b, plan := begin(in)
	place := siteOf(in.Env, in.Options)
	plan.Operation = task.Operation
	plan.Identity, plan.Otherwise = b.identity()
	p := b.decidePolicies(plan.Identity)
	plan.Cache = b.decideCache(cacheSizes{p.resolved.Caching.ContentBytes, p.resolved.Caching.MetadataBytes}, place.cacheDir)
	plan.Repository = b.repository(place, p)
	plan.Mover = Mover{Kopia: place.kopia}
	whole := b.taskFor(place, plan.Identity, p, plan.Cache)
	whole.Operation, whole.Restore, whole.List = task.Operation, task.Restore, task.List
	whole.Otherwise = plan.Otherwise
	whole.Repository.Create = result.CreateNever
	plan.Repository.Create = result.CreateNever
	plan.Settings = b.settings(p, whole)
	b.planLocal(place)
	// Nothing is recorded of what only reads.
	b.dropSteps(StepStatus)
	return b.finish(plan, place, whole)
}

// dropSteps removes the steps of the kind. Local steps are never referred to by
// number but in the clean-up, whose step comes first.
func (b *builder) dropSteps(kind StepKind) {
	kept := b.steps[:0]
	for _, s := range b.steps {
		if s.Kind != kind {
			kept = append(kept, s)
		}
	}
	b.steps = kept
}

package validate

import (
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// sharedUpkeep finds KopiaMaintenances that name one Secret: kopia lets one client at a
// time maintain a repository, and a run keeps out only those of its own object.
func (v *Validator) sharedUpkeep() {
	type secret struct{ namespace, name string }
	maintained := map[secret]*reference{}
	upkeeps := slices.Clone(v.references)
	slices.SortStableFunc(upkeeps, func(a, b reference) int { return comparePositions(a.position, b.position) })
	for i := range upkeeps {
		r := &upkeeps[i]
		if r.kind != repositoryReference || r.path != upkeepRepository {
			continue
		}
		key := secret{r.namespace, r.name}
		first := maintained[key]
		switch {
		case first == nil:
			maintained[key] = r
		case first.object != r.object: // the same object twice is a finding of its own
			v.found = append(v.found, problem.Problem{
				Code: "VK176", Severity: problem.Warning, Position: r.position, Object: r.object, Path: r.path,
				Message: "the repository of Secret " + quoted(r.name) + " is maintained by " + first.object + " (" + first.position.String() +
					"), too: nothing keeps the two from running at the same time",
				Fix: "keep one of them",
			})
		}
	}
}
